"""Payloads that say in which codec they are written, and values of Python to and from them.

- `codec`: a codec, its number, and the prefix made of it;
- `walking`: the shape of a binary payload of strangers, looked through before a decoder sees it;
- `cbor`, `json_text`, `messagepack`, `raw`: the codecs with an encoder and a decoder;
- `installed`: the codecs of this host, those of other packages included;
- `acceptance`: the codecs that one receiver reads, compared with a payload.
"""
