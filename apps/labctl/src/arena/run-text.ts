/** One run as a person reads it: what was asked of each variation, what verifiers said, who won, what was signed. */
import type { Trajectory } from '@labmesh/wire/verification/arena-views';
import { safeText } from '../terminal/safe-text.ts';
import { renderTable } from '../terminal/table.ts';

type Candidate = Trajectory['candidates'][number];

/** A sign for each verdict: a row holds those of all verifiers. */
const marks = { passed: '+', failed: 'x', skipped: '-', error: '!' } as const;
const verdictsOf = ({ verdicts }: Candidate) =>
  verdicts.map((one) => `${marks[one.status]}${one.pluginName}`).join(' ');

function candidateRow(run: Trajectory, one: Candidate): (string | number)[] {
  // Sampling is kept as it was planned, and an older run may know less of it.
  const { temperature, seed } = one.sampling as { temperature?: number | null; seed?: number | null };
  // 2.1 is the first correction of answer 2; the star marks the one that was chosen.
  const place = one.attempt === 0 ? `${one.idx}` : `${one.idx}.${one.attempt}`;
  return [
    `${place}${one.idx === run.chosen ? ' *' : ''}`,
    temperature ?? '-',
    seed ?? '-',
    one.sameAs === null ? one.state : `as ${one.sameAs}`,
    one.outcome ?? '-',
    one.scoreModifier === null ? '-' : one.scoreModifier.toFixed(2),
    verdictsOf(one),
  ];
}

/** Why answers are not valid: the first thing that is looked for in a run that went wrong. */
function failures(run: Trajectory): string[] {
  return run.candidates.flatMap((one) =>
    one.verdicts
      .filter(({ status }) => status === 'failed' || status === 'error')
      .map(
        ({ pluginName, status, message }) =>
          `  ${one.idx}.${one.attempt} ${pluginName} ${status}: ${safeText(message)}`,
      ),
  );
}

/** Calls of tools, a line for each kind: what answers rest on beside the prompt. */
function toolLines({ candidates }: Trajectory): string[] {
  const calls = candidates.flatMap(({ idx, toolCalls }) => (toolCalls ?? []).map((one) => ({ idx, ...one })));
  const kinds = Map.groupBy(calls, ({ idx, tool, state }) => `  ${idx} ${safeText(tool ?? 'unknown')} ${state}`);
  return [...kinds].map(([kind, made]) => {
    const cached = made.filter((one) => one.cached).length;
    return `${kind}${made.length > 1 ? ` × ${made.length}` : ''}${cached > 0 ? `, ${cached} from before` : ''}`;
  });
}

/** Of the prompts' tokens those that engines say they had kept; '' where none says so. */
function cachedText({ candidates }: Trajectory): string {
  const told = candidates.flatMap(({ tokensCached }) => tokensCached ?? []);
  return told.length === 0 ? '' : ` (${told.reduce((sum, one) => sum + one, 0)} cached)`;
}

/** Whether the engines honour the seeds that are shown; runs before this was looked at do not say. */
function replayableText(found: unknown): string {
  if (typeof found !== 'boolean') return 'not known';
  return found ? 'yes: the engines honour seeds' : 'no: an engine does not honour its seed';
}

/** @param columns of the terminal */
export function runText(run: Trajectory, columns: number | undefined): string {
  const { report } = run;
  const lines = [
    `run          ${run.id}`,
    `status       ${run.status}${run.failureReason === undefined ? '' : `: ${safeText(run.failureReason)}`}`,
    `mode, model  ${run.mode}, ${run.model}`,
    `created      ${run.createdAt}${run.finishedAt === null ? '' : `, finished ${run.finishedAt}`}`,
    `tokens       ${run.tokens.input} in${cachedText(run)}, ${run.tokens.output} out, ${run.costUsd.toFixed(6)} USD`,
    `certificate  ${run.certificateId ?? 'none'}`,
    `replayable   ${replayableText(run.plan?.['replayable'])}`,
  ];
  if (report !== null && report.properties.length > 0) lines.push(`proven       ${report.properties.join(', ')}`);
  if (report?.isolation !== null && report?.isolation !== undefined) lines.push(`isolation    ${report.isolation}`);
  const headings = ['ANSWER', 'TEMP', 'SEED', 'STATE', 'OUTCOME', 'SCORE', 'VERDICTS'];
  const table = renderTable(
    headings,
    run.candidates.map((one) => candidateRow(run, one)),
    { columns },
  );
  const failed = failures(run);
  const tools = toolLines(run);
  // Each in the order in which the judge read them: that is where position bias shows.
  const legs = run.legs.map(
    ({ round, a, b, leg, scoreA, scoreB, judge }) =>
      `  round ${round}: ${leg === 'ab' ? `${a}, ${b}` : `${b}, ${a}`}  ${scoreA ?? 'void'} : ${scoreB ?? 'void'}  (${safeText(judge)})`,
  );
  return [
    ...lines,
    '',
    table.trimEnd(),
    ...(tools.length === 0 ? [] : ['', 'tools that were called:', ...tools]),
    ...(failed.length === 0 ? [] : ['', 'what failed:', ...failed]),
    ...(legs.length === 0 ? [] : ['', `matches (each pair in both orders):`, ...legs]),
    '',
  ].join('\n');
}
