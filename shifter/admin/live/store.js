// What the page knows: the configuration, the figures of the last minutes, changes. Everything else only shows it.
//
// Rule 1. Figures are kept as they came, one entry a second, and added up for whatever stretch is shown.
// Rule 2. How much is kept is bounded in seconds and in numbers, also with a thousand clusters.

const KEPT_SECONDS = 660;
const KEPT_POINTS = 80_000;
const EVENTS_KEPT = 200;
const NOTHING = Object.freeze({});

export class Store {
  hello = null;
  state = { state: "", version: 0, problems: [] };
  topology = { version: 0, listeners: [], clusters: {} };
  frames = [];
  clusters = new Map();
  gauges = { listeners: new Map() };
  changes = [];
  events = [];
  restarts = [];
  #points = 0;

  get now() {
    return this.frames.length ? this.frames[this.frames.length - 1].t : this.hello?.now ?? 0;
  }

  /** Take one event in; returns words worth saying aloud, or nothing. */
  take(name, data) {
    return this[`_${name}`]?.(data);
  }

  _hello(data) {
    const before = this.hello;
    this.hello = data;
    if (before && before.boot !== data.boot) {
      this.restarts.push(data.started);
      this.changes = [];
      return "The proxy was restarted";
    }
  }

  _state(data) {
    const before = this.state;
    this.state = data;
    if (data.problems.length && !before.problems.length) return "A configuration was refused";
    if (before.version && data.version !== before.version) return `Configuration ${data.version} is in use`;
    if (before.state && data.state !== before.state) return `The proxy is ${data.state.toLowerCase()}`;
  }

  _topology(data) {
    this.topology = data;
    for (const name of this.clusters.keys()) if (!(name in data.clusters)) this.clusters.delete(name);
  }

  _clusters(data) {
    for (const [name, told] of Object.entries(data)) this.clusters.set(name, { ...told });
  }

  _changes(data) {
    const known = new Set(this.changes.map(change => change.number));
    this.changes = [...data.changes.filter(change => !known.has(change.number)), ...this.changes]
      .sort((one, two) => two.number - one.number).slice(0, EVENTS_KEPT);
  }

  _figures(data) {
    const clusters = data.clusters ?? NOTHING;
    let words;
    for (const [name, told] of Object.entries(clusters)) words = this.#cluster(name, told, data.t) ?? words;
    for (const [name, told] of Object.entries(data.listeners ?? NOTHING)) this.gauges.listeners.set(name, told.cx_active);
    const frame = { t: data.t, seconds: data.seconds, clusters, managers: data.managers ?? NOTHING, tcp: data.tcp ?? NOTHING };
    frame.size = Object.keys(clusters).length + 1;
    this.#points += frame.size;
    this.frames.push(frame);
    while (this.frames[0].t < data.t - KEPT_SECONDS || this.#points > KEPT_POINTS) this.#points -= this.frames.shift().size;
    return words;
  }

  #cluster(name, told, t) {
    const known = this.clusters.get(name) ?? {};
    let words;
    if (told.endpoints && known.endpoints) {
      for (const [address, about] of Object.entries(told.endpoints)) {
        const was = known.endpoints[address]?.health;
        if (was && was !== about.health) {
          const why = (about.flags ?? []).map(flag => FLAGS[flag] ?? flag.replaceAll("_", " ")).join(", ");
          this.events.unshift({ when: t, cluster: name, address, health: about.health, why });
          this.events.length = Math.min(this.events.length, EVENTS_KEPT);
          words = `${address} of ${name} is ${about.health}`;
        }
      }
    }
    for (const key of ["active", "pending", "cx", "healthy", "members", "endpoints"]) if (key in told) known[key] = told[key];
    this.clusters.set(name, known);
    return words;
  }

  /** Figures of one cluster, added up over [from, to). `seconds` is how long of that was looked at; 0 where nothing is known. */
  sum(name, from, to, endpoint = null) {
    const sum = { rq: 0, e4: 0, e5: 0, none: 0, cx: 0, rx: 0, tx: 0, seconds: 0, buckets: null };
    for (let at = this.frames.length - 1; at >= 0; at--) {
      const frame = this.frames[at];
      if (frame.t < from) break;
      if (frame.t >= to) continue;
      sum.seconds += frame.seconds;
      const told = frame.clusters[name];
      if (!told) continue;
      if (endpoint !== null) {
        const counts = told.e?.[endpoint];
        if (counts) { sum.rq += counts[0]; sum.e5 += counts[1]; }
        continue;
      }
      add(sum, told);
    }
    return sum;
  }

  /** The same for several stretches that follow one another: `count` of `step` seconds each, from `from` on. */
  bins(name, from, step, count) {
    const bins = Array.from({ length: count }, () => ({ rq: 0, e4: 0, e5: 0, none: 0, cx: 0, rx: 0, tx: 0, seconds: 0, buckets: null }));
    for (const frame of this.frames) {
      const at = Math.floor((frame.t - from) / step);
      if (at < 0 || at >= count) continue;
      bins[at].seconds += frame.seconds;
      // a look after a pause is about all the time since the look before
      for (let back = 1; back < frame.seconds / step && at - back >= 0; back++) bins[at - back].of = at;
      const told = frame.clusters[name];
      if (told) add(bins[at], told);
    }
    return bins.map(bin => bin.of === undefined || bin.seconds ? bin : bins[bin.of]);
  }

  /** What managers and TCP proxies counted over the last `seconds`, by "listener prefix"; all of them without a name. */
  traffic(kind, seconds, name = null) {
    const sum = { rq: 0, e5: 0, cx: 0, seconds: 0 };
    const from = this.now - seconds;
    for (let at = this.frames.length - 1; at >= 0 && this.frames[at].t > from; at--) {
      const frame = this.frames[at];
      sum.seconds += frame.seconds;
      for (const told of name === null ? Object.values(frame[kind]) : [frame[kind][name] ?? NOTHING]) {
        sum.rq += told.rq ?? 0;
        sum.e5 += told.e5 ?? 0;
        sum.cx += told.cx ?? 0;
      }
    }
    return sum;
  }

  /** The value that `share` of the durations in `buckets` do not exceed, as the proxy itself works it out; null without any. */
  quantile(buckets, share) {
    if (!buckets) return null;
    const bounds = this.hello.bounds;
    const entries = [...buckets].sort((one, two) => one[0] - two[0]);
    const wanted = share * entries.reduce((sum, [, number]) => sum + number, 0);
    let below = 0;
    for (const [index, number] of entries) {
      if (below + number >= wanted) {
        const low = index ? bounds[Math.min(index, bounds.length) - 1] : 0;
        const high = bounds[Math.min(index, bounds.length - 1)];
        return low + (high - low) * (wanted - below) / number;
      }
      below += number;
    }
    return null;
  }

  /** Moments worth a mark on the time axis, oldest first. */
  marks(from) {
    const marks = this.changes.map(change => ({ t: change.when, kind: change.kind, words: change.changes[0] ?? change.target }));
    for (const event of this.events) marks.push({ t: event.when, kind: "health", cluster: event.cluster, words: `${event.address} ${event.health}` });
    for (const when of this.restarts) marks.push({ t: when, kind: "restart", words: "restarted" });
    return marks.filter(mark => mark.t >= from).sort((one, two) => one.t - two.t);
  }

  /** Routes with what they belong to, in order; a TCP proxy counts as one. */
  get routes() {
    if (this.routesOf !== this.topology) {
      this.routesOf = this.topology;
      this.routesKnown = [...routesIn(this.topology)];
      this.usersKnown = new Map();
      for (const route of this.routesKnown) {
        for (const entry of route.to) {
          const users = this.usersKnown.get(entry.cluster);
          if (users) users.push(route);
          else this.usersKnown.set(entry.cluster, [route]);
        }
      }
    }
    return this.routesKnown;
  }

  users(cluster) {
    return this.routes && (this.usersKnown.get(cluster) ?? []);
  }
}

export const FLAGS = {
  failed_active_hc: "failed its health check",
  failed_outlier_check: "ejected as an outlier",
  failed_eds_health: "unhealthy by configuration",
  degraded_active_hc: "degraded by its health check",
  degraded_eds_health: "degraded by configuration",
  pending_dynamic_removal: "leaving",
  pending_active_hc: "not checked yet",
  active_hc_timeout: "health check timed out",
};

function add(sum, told) {
  sum.rq += told.rq ?? 0;
  sum.e4 += told.e4 ?? 0;
  sum.e5 += told.e5 ?? 0;
  sum.none += told.none ?? 0;
  sum.cx += told.cx_new ?? 0;
  sum.rx += told.rx ?? 0;
  sum.tx += told.tx ?? 0;
  if (told.h) {
    sum.buckets ??= new Map();
    for (let at = 0; at < told.h.length; at += 2) sum.buckets.set(told.h[at], (sum.buckets.get(told.h[at]) ?? 0) + told.h[at + 1]);
  }
}

function* routesIn(topology) {
  for (const listener of topology.listeners) {
    for (const [number, chain] of listener.chains.entries()) {
      const place = `${listener.name}/${chain.name || number}`;
      if (chain.kind === "tcp") {
        yield { key: `${place}/tcp`, listener, chain, host: null, match: "connections", to: chain.to, place: listener.place };
        continue;
      }
      for (const host of chain.hosts) {
        for (const route of host.routes) yield { ...route, key: `${place}/${host.name}/${route.number}`, listener, chain, host };
      }
    }
  }
}

/** The share of answers that were 5xx; null while there are none. */
export const errors = sum => (sum.rq ? sum.e5 / sum.rq : null);
export const perSecond = (number, sum) => (sum.seconds ? number / sum.seconds : null);
