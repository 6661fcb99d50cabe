// Payloads that say in which codec they are, for components in JavaScript: copy or bundle it.
//
// A payload begins with the number of its codec in the public multicodec table, as an unsigned
// varint. `wrap` writes it and `split` reads it; what follows is the codec's own.

export const codecs = {
  protobuf: 0x50,
  cbor: 0x51,
  raw: 0x55,
  dagCbor: 0x71,
  json: 0x0200,
  messagePack: 0x0201,
  borsh: 0x300000, // not in the table: private numbers of airswasm
  bincode: 0x300001,
};

// Returns content, a Uint8Array, as a payload in a codec.
export function wrap(codec, content) {
  const prefix = [];
  for (; codec > 0x7f; codec = Math.floor(codec / 128)) prefix.push((codec % 128) | 0x80);
  prefix.push(codec);
  const payload = new Uint8Array(prefix.length + content.length);
  payload.set(prefix);
  payload.set(content, prefix.length);
  return payload;
}

// Returns { codec, content }; bytes that begin with no number have the codec undefined. Numbers
// beyond 2 ** 53 - 1 are none here. Also a text begins with a number, its first letter: compare the
// codec with those that you read, or let [codecs] accepts do it.
export function split(payload) {
  let codec = 0;
  for (let at = 0; at < Math.min(payload.length, 9); at++) {
    const byte = payload[at];
    codec += (byte & 0x7f) * 128 ** at;
    if (byte >= 0x80) continue;
    if ((byte === 0 && at > 0) || !Number.isSafeInteger(codec)) break;
    return { codec, content: payload.subarray(at + 1) };
  }
  return { codec: undefined, content: payload };
}
