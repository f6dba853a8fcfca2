/**
 * Sorts `keys` ascending and takes `items` along: Batcher's merge exchange (Knuth, Art of Computer Programming 5.2.2,
 * algorithm M), a network of compared places that depends on the length alone, with each exchange made by mask.
 *
 * Length a power of two, keys from 0 to 2^31 - 1. With a stride above 1 (a power of two) each class of places that are
 * equal modulo the stride is sorted by itself: the network's spans are multiples of it, so it ends earlier.
 */
export function sortBy(keys: Int32Array, items: Int32Array, stride = 1): void {
  const half = keys.length / 2;
  for (let span = half; span >= stride; span /= 2) {
    exchange(keys, items, { span, remainder: 0, distance: span });
    for (let merge = half; merge > span; merge /= 2) {
      exchange(keys, items, { span, remainder: span, distance: merge - span });
    }
  }
}

/** Orders places i and i + distance for all i with i & span equal to the remainder. */
function exchange(
  keys: Int32Array,
  items: Int32Array,
  { span, remainder, distance }: { span: number; remainder: number; distance: number },
): void {
  const end = keys.length - distance;
  for (let from = remainder; from < end; from += 2 * span) {
    const runEnd = Math.min(from + span, end);
    for (let low = from; low < runEnd; low++) {
      const high = low + distance;
      const lowKey = keys[low] as number;
      const highKey = keys[high] as number;
      const difference = highKey - lowKey;
      const swap = difference >> 31;
      const change = difference & swap;
      keys[low] = lowKey + change;
      keys[high] = highKey - change;
      const lowItem = items[low] as number;
      const highItem = items[high] as number;
      const both = (lowItem ^ highItem) & swap;
      items[low] = lowItem ^ both;
      items[high] = highItem ^ both;
    }
  }
}
