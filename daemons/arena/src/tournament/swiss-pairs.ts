import { pairing, type Pairing } from './field.ts';

/** Looks at one pairing of a round before the search gives up on few rematches and takes one more. */
const looksMost = 20_000;

/**
 * Pairs neighbours of the order, with as few rematches as there is a way to: past some rounds there may be none without.
 * `order` is even in number, best first.
 */
export function swissPairs(order: readonly number[], met: (one: number, other: number) => boolean): Pairing[] {
  for (let rematches = 0; ; rematches++) {
    const found = search(order, met, rematches, { looks: looksMost });
    if (found !== undefined) return found;
  }
}

function search(
  left: readonly number[],
  met: (one: number, other: number) => boolean,
  rematches: number,
  budget: { looks: number },
): Pairing[] | undefined {
  const [first, ...others] = left;
  if (first === undefined) return [];
  for (const other of others) {
    const again = met(first, other) ? 1 : 0;
    if (again > rematches || budget.looks-- <= 0) continue;
    const rest = others.filter((place) => place !== other);
    const found = search(rest, met, rematches - again, budget);
    if (found !== undefined) return [pairing(first, other), ...found];
  }
  return undefined;
}
