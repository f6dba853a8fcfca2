/**
 * What a model is told of its failures (AR7): a user message with the first three errors of each verifier. Of a verdict
 * only its message and the errors it lists for the author are read: whatever else stands in `details` may come from
 * hidden cases (V20) and never gets here.
 */
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Aggregate, Verdict } from '@labmesh/wire/verification/verdict';
import type { FeedbackFormat } from '../run-settings.ts';

const errorsMost = 3;
const errorCharsMost = 500;

/** Control characters would let an answer's own text forge the lines around it. */
const plain = (text: string) =>
  text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, errorCharsMost)
    .toWellFormed();

/** The end of what a program wrote before it failed: where interpreters say why. */
function lastLine(text: unknown): string[] {
  const lines = typeof text === 'string' ? text.split('\n').map(plain) : [];
  return lines.filter((line) => line !== '').slice(-1);
}

/** Details of a verdict whose verifier runs hidden cases are never shown, whatever they are named. */
function errorsOf({ pluginName, message, details }: Verdict): string[] {
  if (pluginName === 'runtime_verifier') {
    // Grade `run` starts the program as it is, with no case: what it wrote there is its own.
    return [plain(message), ...(details['grade'] === 'run' ? lastLine(details['stderr']) : [])];
  }
  const listed = details['errors'];
  const errors = Array.isArray(listed) ? listed.map(errorText).filter((text) => text !== '') : [];
  return (errors.length > 0 ? errors : [plain(message)]).slice(0, errorsMost);
}

function errorText(error: unknown): string {
  if (typeof error === 'string') return plain(error);
  if (typeof error !== 'object' || error === null) return '';
  const { message, error: inner, line } = error as Record<string, unknown>;
  const text = typeof message === 'string' ? message : typeof inner === 'string' ? inner : '';
  return plain(typeof line === 'number' ? `line ${line}: ${text}` : text);
}

export type Failure = { verifier: string; errors: string[] };

export const failuresOf = ({ results }: Aggregate): Failure[] =>
  results
    .filter(({ status }) => status === 'failed')
    .map((verdict) => ({ verdict, verifier: verdict.pluginName }))
    .map(({ verdict, verifier }) => ({ verifier, errors: errorsOf(verdict) }));

const asked = 'Give the whole corrected answer.';

const writers: Record<FeedbackFormat, (failures: readonly Failure[]) => string> = {
  structured: (failures) =>
    [
      'Your answer failed automatic checks.',
      ...failures.map(({ verifier, errors }) => [`[${verifier}]`, ...errors.map((text) => `- ${text}`)].join('\n')),
      asked,
    ].join('\n\n'),
  natural: (failures) => {
    const said = failures.map(({ verifier, errors }) => `${verifier} found: ${errors.join('; ')}.`);
    return `I checked your answer and it does not hold. ${said.join(' ')} ${asked}`;
  },
  minimal: (failures) => failures.flatMap(({ errors }) => errors).join('\n'),
};

export const feedbackMessage = (failures: readonly Failure[], format: FeedbackFormat): ChatMessage => ({
  role: 'user',
  content: writers[format](failures),
});

/**
 * The answer as a turn that a user message may follow: calls of tools want their results next, so they are told as text.
 */
export function answerTurn(answer: ChatMessage): ChatMessage {
  if (!answer.tool_calls?.length) return { role: 'assistant', content: answer.content ?? '' };
  const text = typeof answer.content === 'string' && answer.content !== '' ? [answer.content] : [];
  const calls = answer.tool_calls.map(({ function: called }) =>
    JSON.stringify({ name: called?.name ?? '', arguments: called?.arguments ?? '' }),
  );
  return { role: 'assistant', content: [...text, ...calls].join('\n') };
}
