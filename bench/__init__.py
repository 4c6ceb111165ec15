r"""shifter's benchmark: what one request costs, beside the proxies that people would use instead.

``python -m bench`` from the checkout (or ``make bench``); ``python -m bench --help`` lists scenarios and options.

How to read the figures:

- **CPU µs/req** is the figure to trust: user and system time of the proxy's process tree, divided by the requests it
  answered. It says how much of a core the proxy takes from a machine, it needs no idle machine, and it repeats to a few
  per cent. **× Envoy** is the median over rounds of the quotient *within* a round, so that a slow phase of the machine,
  which slows both, cancels out. Compare quotients between machines, never microseconds.
- **req/s** is what one core gave while it was saturated; it is the inverse of the first figure as long as **busy** (the
  proxy's share of its core) is near 1. Lower, and the load generator was the limit.
- **p50 and p99 of a saturated proxy are queueing**, 32 clients asking as fast as they can; read latency from the
  ``latency`` scenario, where 2,000 requests a second arrive whatever the proxy does.
- **PSS** is the proxy's memory with shared pages divided among their users (it shrinks when somebody else runs the same
  program at the time); the kernel's socket buffers are not in it.
- A row with **\*** was disturbed: others used the CPUs during a sample and during its repetition. ``--realtime`` keeps them
  away, at the price of a p99 with the kernel's real-time throttle in it.

Everything runs on loopback: the proxy alone on one CPU, backend and load generator on another. System time is therefore
kernel work of both of the proxy's connections, including what a real network card would have interrupted somebody for.
"""
