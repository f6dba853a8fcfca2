/** What happens in a run, a line an event. Names, messages and models are text from outside. */
import type { ArenaEvent, ArenaResult } from '@labmesh/wire/verification/arena-run';
import type { Paint } from '../terminal/paint.ts';
import { safeText } from '../terminal/safe-text.ts';

/** A line or two of a terminal. The record of the run, and --json, have the whole message. */
const messageCharsMost = 200;
const short = (text: string) => safeText(text.length > messageCharsMost ? `${text.slice(0, messageCharsMost)}…` : text);
/** People count variations from 1; indices of the arena begin at 0. */
const who = (index: number, attempt = 0) =>
  `variation ${index + 1}${attempt > 0 ? `, correction ${attempt}` : ''}`.padEnd(14);
/** Tenths only where they say something: below ten seconds. */
const seconds = (ms: number) => `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;

type Of<E extends ArenaEvent['event']> = Extract<ArenaEvent, { event: E }>;

function candidateLine(event: Of<'candidate'>): string | undefined {
  const { index, state, temperature, model, sameAs, chars, tokens, latencyMs, reason } = event;
  const how = temperature === null ? '' : `, temperature ${temperature}`;
  if (state === 'generating') return `${who(index)} asked of ${short(model)}${how}`;
  // A place in the plan: nobody was asked yet.
  if (state === 'pending') return undefined;
  if (state !== 'generated') return `${who(index)} ${state}${reason === null ? '' : `: ${short(reason)}`}`;
  if (sameAs !== null) return `${who(index)} the same answer as variation ${sameAs + 1}`;
  const took = latencyMs === null ? '' : ` in ${seconds(latencyMs)}`;
  return `${who(index)} ${chars} characters${tokens === null ? '' : `, ${tokens.completionTokens} tokens`}${took}`;
}

function verdictLine({ index, attempt, verdict }: Of<'verdict'>, { green, red, yellow, dim }: Paint): string {
  const colour = { passed: green, failed: red, error: yellow, skipped: dim }[verdict.status];
  // `SANDBOX_L1_…` as L1. Null for a check that ran no code.
  const level = verdict.level === null ? '' : dim(` ${verdict.level.replace('SANDBOX_', '').slice(0, 2)}`);
  // What passed has nothing to mend: its message would only push the others off the screen.
  const message = verdict.status === 'passed' || verdict.message === '' ? '' : `: ${short(verdict.message)}`;
  return `${who(index, attempt)} ${short(verdict.pluginName)} ${colour(verdict.status)}${level}${message}`;
}

/** A call of a tool: which, and how it went. A name that no server has is the model's own, and is not repeated. */
function toolLine({ index, tool, state, cached, latencyMs }: Of<'tool'>, { yellow, dim }: Paint): string {
  const how = cached ? dim(' from before') : dim(` in ${seconds(latencyMs)}`);
  const what = tool === null ? 'a tool that there is not' : short(tool);
  return `${who(index)} ${what}${state === 'ok' ? how : ` ${yellow(state.replaceAll('_', ' '))}`}`;
}

/** The line of an event; undefined for what nobody needs to see. */
export function runLine(event: ArenaEvent, paint: Paint): string | undefined {
  switch (event.event) {
    case 'accepted':
      return paint.dim(`run ${short(event.runId)}${event.position > 0 ? `, ${event.position} before it` : ''}`);
    case 'candidate':
      return candidateLine(event);
    case 'tool':
      return toolLine(event, paint);
    case 'verdict':
      return verdictLine(event, paint);
    case 'outcome':
      return `${who(event.index, event.attempt)} ${outcomeText(event.outcome, paint)}, score ${event.score.toFixed(2)}`;
    case 'correction':
      return `${who(event.index, event.attempt)} correction ${event.status.replaceAll('_', ' ')}`;
    case 'match': {
      const { a, b, scoreA, scoreB, winner } = event;
      const won = winner === 'a' ? ` → ${a + 1}` : winner === 'b' ? ` → ${b + 1}` : `, ${winner}`;
      return `match ${a + 1} : ${b + 1}  ${scoreA} : ${scoreB}${won}`;
    }
    case 'terminated': {
      const saved = event.savedTokensEstimate > 0 ? `, about ${event.savedTokensEstimate} tokens saved` : '';
      return `stopped early: ${short(event.reason).replaceAll('_', ' ')}, ${event.terminatedCount} ended${saved}`;
    }
    default:
      return undefined;
  }
}

const outcomeText = (outcome: ArenaResult['report']['status'], { green, red, yellow, dim }: Paint) =>
  ({ valid: green, invalid: red, inconclusive: yellow, unchecked: dim })[outcome](outcome);

/** What was found, and how to check it. */
export function reportLines({ report, usage }: ArenaResult, paint: Paint, savedAs: string | undefined): string[] {
  const cached = report.cached ? ', found before' : '';
  const lines = [
    `${outcomeText(report.status, paint)}${cached}: ${short(report.summary || 'the arena says no more')}`,
    ...report.failures.map(({ verifier, message }) => `  ${short(verifier)}: ${short(message)}`),
    paint.dim(`run ${short(report.run_id)}, ${usage.total_tokens} tokens of all variations together`),
  ];
  const id = report.certificate_id;
  if (id === null) return lines;
  const what = report.properties.length === 0 ? '' : ` (${short(report.properties.join(', '))})`;
  // Whoever has an answer from here must be able to check it without trust in this program.
  const check =
    savedAs === undefined
      ? `to check it: labctl ask --verify --cert answer.labcert …, or GET /v1/certificates/${short(id)} into a file; then labctl cert verify FILE`
      : `to check it: labctl cert verify ${short(savedAs)}`;
  return [...lines, `certificate ${short(id)}${what}`, check];
}

/** An answer for eyes: its lines stay, what could move the cursor does not. */
export const answerForEyes = (text: string): string =>
  text
    .split(/\r\n|\n/)
    .map((line) => line.split('\t').map(safeText).join('\t'))
    .join('\n');
