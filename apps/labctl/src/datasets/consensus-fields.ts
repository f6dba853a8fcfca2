import type { Consensus } from '@labmesh/wire/verification/labels';

/** What people make of two answers so far, a line a field. */
export const consensusFields = (one: Consensus): (readonly [string, unknown])[] => [
  ['Run', one.runId],
  ['Answers', `${one.a} and ${one.b}`],
  ['Reviewers', one.labels],
  ['Better', one.winner === 'a' ? one.a : one.winner === 'b' ? one.b : one.winner],
  ['Share', one.share],
  ['Gold pair', one.pairId],
  ['No pair', one.leftOut],
];
