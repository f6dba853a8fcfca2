/** Sums of one pair of players, by number. Counts may be parts: human votes carry a weight (AR17). */
export type Battle = { a: number; b: number; winsA: number; winsB: number; ties: number };

export type Fit = {
  /** Natural log of the strengths, mean 0: P(i beats j) = 1 / (1 + exp(logit j - logit i)). */
  logits: number[];
  converged: boolean;
};

const turnsMost = 10_000;
const closeEnough = 1e-10;

/**
 * Bradley-Terry strengths by minorize-maximize (Hunter 2004) over sums: its cost depends on the players, not on how often
 * they met. Ties are half a win each, and one virtual draw with a player of strength 1 keeps who won all, or never met
 * the others, at a finite place (AR15).
 */
export function bradleyTerry(players: number, battles: readonly Battle[], from?: readonly number[]): Fit {
  const wins = new Float64Array(players).fill(0.5);
  const games = new Float64Array(players * players);
  for (const { a, b, winsA, winsB, ties } of battles) {
    const met = winsA + winsB + ties;
    wins[a] = (wins[a] ?? 0) + winsA + ties / 2;
    wins[b] = (wins[b] ?? 0) + winsB + ties / 2;
    games[a * players + b] = (games[a * players + b] ?? 0) + met;
    games[b * players + a] = (games[b * players + a] ?? 0) + met;
  }
  const strengths = Float64Array.from({ length: players }, (_, player) => Math.exp(from?.[player] ?? 0));
  let converged = players === 0;
  for (let turn = 0; turn < turnsMost && !converged; turn++) {
    converged = improve(strengths, wins, games) < closeEnough;
  }
  return { logits: centred(strengths), converged };
}

/** One turn, each player in the light of the newest of the others; gives the largest relative change. */
function improve(strengths: Float64Array, wins: Float64Array, games: Float64Array): number {
  const players = strengths.length;
  let largest = 0;
  for (let player = 0; player < players; player++) {
    const own = strengths[player] as number;
    let expected = 1 / (own + 1);
    const row = player * players;
    for (let other = 0; other < players; other++) {
      const met = games[row + other] as number;
      if (met > 0) expected += met / (own + (strengths[other] as number));
    }
    const better = (wins[player] as number) / expected;
    largest = Math.max(largest, Math.abs(better / own - 1));
    strengths[player] = better;
  }
  return largest;
}

function centred(strengths: Float64Array): number[] {
  const logits = Array.from(strengths, Math.log);
  const middle = logits.reduce((sum, logit) => sum + logit, 0) / Math.max(1, logits.length);
  return logits.map((logit) => logit - middle);
}
