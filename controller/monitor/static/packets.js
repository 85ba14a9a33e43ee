// Binary messages of the server: uint32 (little endian) length of the header | JSON header | arrays.

const TYPES = { float32: Float32Array, uint8: Uint8Array };
const LENGTH_BYTES = 4;

/** Return the header with each of its `arrays` {dtype, shape, offset, units, attrs} given its `data`: a view into the
 * buffer without a copy, or null for a group that only carries `attrs`. */
export function decode(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const payload = LENGTH_BYTES + length;
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, LENGTH_BYTES, length)));
  message.arrays ??= {};
  for (const array of Object.values(message.arrays)) {
    array.data = array.dtype ? values(array, buffer, payload) : null;
  }
  return message;
}

function values({ dtype, shape, offset }, buffer, payload) {
  const size = shape.reduce((product, side) => product * side, 1);
  return new TYPES[dtype](buffer, payload + offset, size);
}
