// Where the model looked when it wrote a word: the photograph stays light there, and dims elsewhere.

const SIDE = 64; // the browser smooths the rest of the way to the photograph's size
const SPREAD = 0.6; // of the Gaussian that a cell becomes, in cells
const DARKEST = 0.68;
const MILLISECONDS = 220;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export class Heat {
  #canvas;
  #now = new Float32Array(SIDE * SIDE); // darkness, 0 to DARKEST
  #frame = 0;

  constructor(canvas) {
    canvas.width = canvas.height = SIDE;
    this.#canvas = canvas;
  }

  /** `attention` is rows of weights, from the top left. A word without it leaves the photograph as it is. */
  show(attention) {
    if (!attention) return this.clear();
    this.#canvas.hidden = false;
    this.#fadeTo(darkness(attention));
  }

  clear() {
    this.#fadeTo(new Float32Array(SIDE * SIDE), () => (this.#canvas.hidden = true));
  }

  #fadeTo(goal, then = () => {}) {
    cancelAnimationFrame(this.#frame);
    const from = this.#now;
    const begin = performance.now();
    const step = (time) => {
      const part = stillness.matches ? 1 : Math.min(1, Math.max(0, (time - begin) / MILLISECONDS));
      this.#now = goal.map((value, at) => from[at] + (value - from[at]) * part);
      this.#draw();
      if (part < 1) this.#frame = requestAnimationFrame(step);
      else then();
    };
    this.#frame = requestAnimationFrame(step);
  }

  #draw() {
    const image = new ImageData(SIDE, SIDE); // black, of which only the alpha is set
    this.#now.forEach((value, at) => (image.data[4 * at + 3] = 255 * value));
    this.#canvas.getContext("2d").putImageData(image, 0, 0);
  }
}

function darkness(attention) {
  const across = attention.map((row) => smooth(row));
  const smoothed = Array.from({ length: SIDE }, (_, x) => smooth(across.map((row) => row[x])));
  const values = Float32Array.from({ length: SIDE * SIDE }, (_, at) => smoothed[at % SIDE][Math.floor(at / SIDE)]);
  const least = values.reduce((a, b) => Math.min(a, b));
  const most = values.reduce((a, b) => Math.max(a, b));
  return values.map((value) => (DARKEST * (most - value)) / (most - least || 1));
}

/** SIDE values from a few: every value is a Gaussian around the middle of its cell. */
function smooth(cells) {
  return Array.from({ length: SIDE }, (_, at) => {
    const place = ((at + 0.5) / SIDE) * cells.length - 0.5;
    const shares = cells.map((_, cell) => Math.exp(-((place - cell) ** 2) / (2 * SPREAD ** 2)));
    const total = shares.reduce((a, b) => a + b);
    return cells.reduce((sum, value, cell) => sum + value * shares[cell], 0) / total;
  });
}
