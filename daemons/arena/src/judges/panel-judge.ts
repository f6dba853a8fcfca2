import { sha256Hex } from '@labmesh/attest/sha256';
import type { Comparison, Judge } from '../contract/judge.ts';

const membersMost = 9;

/**
 * Several judges, one vote each (AR12): scores are shares of votes on the scale of 10, so what most say wins however sure
 * the others are. Void unless more than half of the members answered.
 * @throws RangeError for no members or over 9
 */
export function panelJudge(members: readonly Judge[]): Judge {
  if (members.length === 0 || members.length > membersMost) {
    throw new RangeError(`a panel has 1 to ${membersMost} judges, not ${members.length}`);
  }
  const prompts = members.map(({ promptSha256 }) => promptSha256 ?? '-').join('\n');
  return {
    name: `panel:${members.map(({ name }) => name).join('+')}`,
    kind: 'panel',
    promptSha256: sha256Hex(new TextEncoder().encode(prompts)),
    models: members.flatMap(({ models }) => models),
    compare: async (a, b, signal, onSpent) => {
      // All have to end: who was asked is paid, whoever fails meanwhile.
      const asked = await Promise.allSettled(members.map((member) => member.compare(a, b, signal, onSpent)));
      const broken = asked.find((one) => one.status === 'rejected');
      if (broken !== undefined) throw broken.reason;
      return tally(asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    },
  };
}

function tally(said: readonly Comparison[]): Comparison {
  const votes = said.filter((one) => one !== null);
  if (votes.length * 2 <= said.length) return null;
  const shareA =
    votes.reduce((sum, { scoreA, scoreB }) => sum + (1 + Math.sign(scoreA - scoreB)) / 2, 0) / votes.length;
  const scores = { scoreA: 10 * shareA, scoreB: 10 * (1 - shareA) };
  const usd = votes.reduce((sum, vote) => sum + vote.usd, 0);
  const members = said.map((one) => one && { scoreA: one.scoreA, scoreB: one.scoreB });
  return { ...scores, rationale: rationaleOf(votes, scores.scoreA - scores.scoreB), usd, details: { members } };
}

/** Of the first that was with the majority. */
function rationaleOf(votes: readonly NonNullable<Comparison>[], margin: number): string | null {
  const sign = Math.sign(margin);
  return votes.find((vote) => Math.sign(vote.scoreA - vote.scoreB) === sign)?.rationale ?? null;
}
