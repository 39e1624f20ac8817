// A file to what is sent of it. The model looks at far less than a camera gives: large photographs are made smaller.

import { Problem } from "./words.js";

const QUALITY = 0.9;

/**
 * `blob` is to be sent; `asSeen` tells that the browser shows it as the model sees it. Only a JPEG is sure to be: others
 * may move or be transparent, or the browser does not know them (TIFF). Those it does know and the service does not
 * become JPEG. Throws an Error where the file cannot be read.
 */
export async function prepare(file, { longestSide, accepted }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    await assertReadable(file);
    return { blob: file, asSeen: false }; // let the service decide what it is
  }
  try {
    const known = accepted.includes(file.type);
    const scale = Math.min(1, longestSide / Math.max(bitmap.width, bitmap.height));
    if (scale < 1 || !known) {
      const jpeg = await toJpeg(bitmap, scale);
      if (!known || jpeg.size < file.size) return { blob: jpeg, asSeen: true };
    }
    return { blob: file, asSeen: file.type === "image/jpeg" };
  } finally {
    bitmap.close();
  }
}

function toJpeg(bitmap, scale) {
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale) || 1, Math.round(bitmap.height * scale) || 1);
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white"; // what is transparent is white to the service too
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}

async function assertReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Problem("unreadable");
  }
}
