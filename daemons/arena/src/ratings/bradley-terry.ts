/** Sums of one pair of players, by number: whole battles, of which each counts `weight` (1 unless told). */
export type Battle = { a: number; b: number; winsA: number; winsB: number; ties: number; weight?: number };

export type Fit = {
  /** Natural log of the strengths, mean 0: P(i beats j) = 1 / (1 + exp(logit j - logit i)). */
  logits: number[];
  converged: boolean;
};

const turnsMost = 10_000;
const closeEnough = 1e-9;

/** Wins per player and games per pair (players x players), with the virtual draw. */
export type Sums = { wins: Float64Array; games: Float64Array };

export function sumsOf(players: number, battles: Iterable<Battle>): Sums {
  const wins = new Float64Array(players).fill(0.5);
  const games = new Float64Array(players * players);
  for (const { a, b, winsA, winsB, ties, weight = 1 } of battles) {
    addGames({ wins, games }, a, b, weight * (winsA + ties / 2), weight * (winsB + ties / 2));
  }
  return { wins, games };
}

/** Adds what two players won against each other, draws as halves. */
export function addGames({ wins, games }: Sums, a: number, b: number, wonA: number, wonB: number): void {
  const players = wins.length;
  wins[a] = (wins[a] as number) + wonA;
  wins[b] = (wins[b] as number) + wonB;
  games[a * players + b] = (games[a * players + b] as number) + wonA + wonB;
  games[b * players + a] = (games[b * players + a] as number) + wonA + wonB;
}

/**
 * Bradley-Terry strengths by minorize-maximize (Hunter 2004) over sums: its cost depends on the players, not on how often
 * they met. Ties are half a win each, and one virtual draw with a player of strength 1 keeps who won all, or never met
 * the others, at a finite place (AR15). `from`: logits to start at.
 */
export function bradleyTerry(players: number, battles: Iterable<Battle>, from?: readonly number[]): Fit {
  return fitSums(sumsOf(players, battles), from);
}

/** The same over sums; `close`: largest relative change of a strength at which it ends. */
export function fitSums({ wins, games }: Sums, from?: readonly number[], close = closeEnough): Fit {
  const players = wins.length;
  const strengths = Float64Array.from({ length: players }, (_, player) => Math.exp(from?.[player] ?? 0));
  const groups = groupsOf(games, players);
  let converged = players === 0;
  for (let turn = 0; turn < turnsMost && !converged; turn++) {
    converged = improve(strengths, wins, games) < close;
    for (const group of groups) level(strengths, group);
  }
  return { logits: centred(strengths), converged };
}

/** Players that met each other, directly or by others. */
function groupsOf(games: Float64Array, players: number): number[][] {
  const free = new Set(Array.from({ length: players }, (_, player) => player));
  return [...free].flatMap((first) => {
    if (!free.delete(first)) return [];
    const group = [first];
    for (const player of group) {
      for (const other of free) {
        if ((games[player * players + other] as number) === 0) continue;
        free.delete(other);
        group.push(other);
      }
    }
    return [group];
  });
}

/**
 * Only the virtual draws say where a group as a whole stands, and many games make that a matter of many turns. But it is
 * known: what the group wins of them is half of them. A Newton step goes there, and changes nothing inside.
 */
function level(strengths: Float64Array, group: readonly number[]): void {
  let [surplus, slope] = [0, 0];
  for (const player of group) {
    const p = 1 / (1 + 1 / (strengths[player] as number));
    surplus += 0.5 - p;
    slope += p * (1 - p);
  }
  const by = Math.exp(Math.max(-1, Math.min(1, surplus / slope)));
  for (const player of group) strengths[player] = (strengths[player] as number) * by;
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
