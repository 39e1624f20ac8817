// Work in turn: first come, first served, and never more than a few at once.

export function createQueue(atOnce) {
  const waiting = [];
  let running = 0;
  const next = () => {
    while (running < atOnce && waiting.length) {
      running += 1;
      waiting.shift()();
    }
  };
  /** The result of `work`, once it had its turn; nothing is begun that was aborted while it waited. */
  return async function inTurn(work, signal) {
    await new Promise((begin) => {
      waiting.push(begin);
      next();
    });
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      running -= 1;
      next();
    }
  };
}
