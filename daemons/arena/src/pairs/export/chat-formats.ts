/** Formats whose columns are lists of messages. */
import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import type { Triplet } from '@labmesh/wire/verification/preference';

/** The row itself, as it was digested. */
export const jsonlText = (triplet: Triplet): string => canonicalJson(triplet);

const toolsOf = ({ metadata }: Triplet) => (Array.isArray(metadata['tools']) ? { tools: metadata['tools'] } : {});

/** Hugging Face TRL's conversational preference format. */
export const hfChatRow = (triplet: Triplet) => ({
  prompt: triplet.input,
  chosen: triplet.chosen,
  rejected: triplet.rejected,
  score_chosen: triplet.chosen_score,
  score_rejected: triplet.rejected_score,
  ...toolsOf(triplet),
});

/** OpenAI's preference fine-tuning format. */
export const openaiRow = (triplet: Triplet) => ({
  input: { messages: triplet.input, ...toolsOf(triplet) },
  preferred_output: triplet.chosen,
  non_preferred_output: triplet.rejected,
});

export const openaiLegacyRow = ({ input, chosen, rejected }: Triplet) => ({
  messages: [...input, ...chosen],
  rejected_messages: [...input, ...rejected],
});
