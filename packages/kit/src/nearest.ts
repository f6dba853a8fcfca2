/** Edit distance (insert, delete, replace, swap of neighbours), given up above `max`. */
function editDistance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
      least = Math.min(least, best);
    }
    // No later row can be closer.
    if (least > max) return max + 1;
    before = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Longest name that is compared: a hostile name must not cost a quadratic table. */
const nameCharsMax = 64;
const distanceMax = 4;

/**
 * The known name that `name` most likely means, or undefined when none is close: at most a third of its letters (and
 * at least one) may differ, or one is the beginning of the other. Case and `-`/`_` do not count.
 */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > nameCharsMax) return undefined;
  const plain = (text: string) => text.toLowerCase().replaceAll('_', '-');
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Math.min(distanceMax, Math.max(1, Math.floor(name.length / 3))) + 1;
  for (const candidate of candidates) {
    if (candidate.length > nameCharsMax) continue;
    const other = plain(candidate);
    const begins = wanted.length >= 3 && (other.startsWith(wanted) || (other.length >= 3 && wanted.startsWith(other)));
    const distance = Math.min(editDistance(wanted, other, bestDistance), begins ? 1.5 : Infinity);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** ` — did you mean X?`, or '' when nothing is near. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearest(name, candidates);
  return near === undefined ? '' : `; did you mean ${near}?`;
}
