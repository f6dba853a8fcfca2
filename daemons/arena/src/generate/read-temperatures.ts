/** The temperatures setting as people write it (AR1): a list, or `a..b` for a linear sweep. */

const most = 2;
const listMost = 16;

function number(text: string): number | undefined {
  const value = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : undefined;
  return value !== undefined && value <= most ? value : undefined;
}

/** `a..b` as `variations` values, evenly spaced, both ends among them. */
function sweep(from: number, to: number, variations: number): number[] {
  if (variations <= 1) return [from];
  // Rounded, so that 0.1..1.0 shows 0.4 and not 0.4000000000000001.
  const step = (index: number) => from + ((to - from) * index) / (variations - 1);
  return Array.from({ length: variations }, (_, index) => Math.round(step(index) * 1e6) / 1e6);
}

/** Temperatures 0-2, 1 to 16 of them; undefined when the words are neither a list of them nor a range. */
export function readTemperatures(words: readonly string[], variations: number): number[] | undefined {
  const [only = ''] = words;
  const range = words.length === 1 ? only.split('..') : [];
  const values = (range.length === 2 ? range : words).map(number);
  if (values.length === 0 || values.length > listMost) return undefined;
  const known = values.filter((value) => value !== undefined);
  if (known.length !== values.length) return undefined;
  return range.length === 2 ? sweep(known[0] as number, known[1] as number, variations) : known;
}
