const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Bytes of a size as transformers spells it (`5GB`, `500MB`, `2GiB`, `1000000`); undefined for any other text and for less than a byte. */
export function byteCount(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]i?b)?$/i.exec(text.trim()) ?? [];
  const bytes = number === undefined ? 0 : Math.floor(Number(number) * UNITS[(unit ?? '').toUpperCase()]);
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
}
