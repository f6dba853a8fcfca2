import { mean, places, type Result, scoreOf, type Standing } from './field.ts';

/** Someone has to go on: after a tie or a void match it is the one that stands first by `preference`. */
export function winnerOf(result: Result, preference: (one: number, other: number) => number): number {
  if (result.winner === 'a') return result.a;
  if (result.winner === 'b') return result.b;
  return preference(result.a, result.b) <= 0 ? result.a : result.b;
}

/** Who was put out later stands higher, then mean scores; who is not in `lost` won. */
export function eliminationStanding(
  size: number,
  lost: ReadonlyMap<number, number>,
  results: readonly Result[],
): Standing {
  const points = places(size).map((place) =>
    mean(
      results
        .filter(({ a, b }) => a === place || b === place)
        .map((result) => scoreOf(result, place))
        .filter((score) => score !== null),
    ),
  );
  const keys = points.map((score, place) => [lost.get(place) ?? Number.MAX_SAFE_INTEGER, score]);
  return { keys, rewarding: 'by_rank' };
}
