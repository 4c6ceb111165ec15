// Server-sent events by fetch(), which, unlike EventSource, can carry a token and says why it was turned away.
//
// Rule 1. It comes back by itself, after a pause that grows, and asks for what it has not seen.
// Rule 2. A stream on which nothing comes is dead, whatever the browser thinks of its connection.

const SILENCE = 12_000;
const FIRST_PAUSE = 300;
const LONGEST_PAUSE = 5_000;

export class Stream {
  #told;
  #path;
  #last = "";
  #pause = FIRST_PAUSE;
  #abort = null;
  #timer = 0;
  #wake = null;

  /** `told` has the functions event(name, data), state("live" | "connecting" | "locked" | "busy" | "missing"), token(). */
  constructor(told, path = last => `/events?after=${encodeURIComponent(last)}`) {
    this.#told = told;
    this.#path = path;
    for (const name of ["online", "visibilitychange"]) (name === "online" ? window : document).addEventListener(name, () => this.hurry());
  }

  async run() {
    for (;;) {
      let state = "connecting";
      try {
        state = await this.#listen();
      } catch {
        // the proxy is gone, or silent; it may come back
      }
      this.#told.state(state);
      await this.#sleep(state === "locked" ? null : this.#pause * (0.75 + Math.random() / 2));
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    }
  }

  /** Do not wait any longer. */
  hurry() {
    if (this.#wake && !document.hidden) {
      this.#pause = FIRST_PAUSE;
      this.#wake();
    }
  }

  #sleep(milliseconds) {
    return new Promise(resolve => {
      const timer = milliseconds === null ? 0 : setTimeout(resolve, milliseconds);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    }).finally(() => { this.#wake = null; });
  }

  async #listen() {
    this.#abort = new AbortController();
    this.#alive();
    try {
      const token = this.#told.token();
      const headers = token ? { authorization: `Bearer ${token}` } : {};
      if (this.#last) headers["last-event-id"] = this.#last;
      const answer = await fetch(this.#path(this.#last), { headers, cache: "no-store", signal: this.#abort.signal });
      if (answer.status === 401) return "locked";
      if (answer.status === 503) return "busy";
      if (answer.status === 404) return "missing";
      if (!answer.ok) return "connecting";
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "connecting";
        this.#alive();
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.#take(block);
      }
    } finally {
      clearTimeout(this.#timer);
      this.#abort.abort();
    }
  }

  #alive() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), SILENCE);
  }

  #take(block) {
    let name = "message", data = "", id = null;
    for (const line of block.split("\n")) {
      const at = line.indexOf(": ");
      const field = line.slice(0, at), value = line.slice(at + 2);
      if (field === "event") name = value;
      else if (field === "data") data = value;
      else if (field === "id") id = value;
    }
    if (!data) return;
    this.#pause = FIRST_PAUSE;
    this.#told.event(name, JSON.parse(data));
    if (id !== null) this.#last = id;
  }
}
