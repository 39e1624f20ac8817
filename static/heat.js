// Where the model looked when it wrote a word: a soft light on the photograph, the rest dimmed.

export function showHeat(layer, image, attention) {
  clearHeat(layer);
  if (!attention) return;
  const rows = attention.length;
  const small = document.createElement("canvas");
  small.width = small.height = rows;
  const pen = small.getContext("2d");
  const least = Math.min(...attention.flat());
  const most = Math.max(...attention.flat());
  attention.forEach((row, y) =>
    row.forEach((weight, x) => {
      pen.fillStyle = `rgb(0 0 0 / ${(0.75 * (most - weight)) / (most - least || 1)})`;
      pen.fillRect(x, y, 1, 1);
    }),
  );
  const large = document.createElement("canvas");
  large.width = image.clientWidth;
  large.height = image.clientHeight;
  const brush = large.getContext("2d");
  brush.imageSmoothingQuality = "high";
  brush.drawImage(small, 0, 0, large.width, large.height);
  layer.replaceChildren(large);
}

export function clearHeat(layer) {
  layer.replaceChildren();
}
