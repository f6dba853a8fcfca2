import { defineOptions } from '@labmesh/kit/options';
import type { OptionValues } from '@labmesh/kit/options/option-def';
import type { AuditRow } from '@labmesh/wire/fleet/resources/records';
import { openLogsSchema, type OpenOf } from '@labmesh/wire/frame/open';
import { CommandError } from '../../command-error.ts';
import { exitCodes } from '../../exit-codes.ts';
import { defineFleetCommand, type FleetCall } from '../../fleet-command.ts';
import { readLogWords, timeOf } from '../../session/logs/log-words.ts';
import { logText } from '../../session/logs/log-lines.ts';
import { sessionParts } from '../../session/session-call.ts';
import { untilGone } from '../../session/session-io.ts';
import { paint } from '../../terminal/paint.ts';

const levels = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'] as const;
const tailDefault = 100;

const options = defineOptions({
  follow: { type: 'boolean', flag: 'follow', short: 'f', default: false, help: 'go on with the lines that come' },
  unit: { type: 'string', flag: 'unit', short: 'u', placeholder: 'UNIT', help: 'of this unit of systemd' },
  file: {
    type: 'string',
    flag: 'file',
    placeholder: 'PATH',
    help: 'of this file on the server, in place of the journal',
  },
  since: { type: 'string', flag: 'since', placeholder: 'TIME', help: 'from then on: 2h, or 2026-01-31T12:00:00Z' },
  until: { type: 'string', flag: 'until', placeholder: 'TIME', help: 'up to then' },
  tail: {
    type: 'integer',
    flag: 'tail',
    min: 0,
    max: 1_000_000,
    help: 'last lines to begin with; 100 without --since',
  },
  grep: { type: 'string', flag: 'grep', placeholder: 'PATTERN', help: 'lines that match' },
  level: { type: 'string', flag: 'level', choices: levels, placeholder: 'LEVEL', help: 'this level and worse' },
});

type Values = OptionValues<typeof options>;
type LogsCall = FleetCall<typeof options>;

const usage = (message: string) => new CommandError(message, { exitCode: exitCodes.usage });

/** @throws CommandError (exit 2) */
export function openOf(server: string, values: Values, now: number): OpenOf<'logs'> {
  const { follow, unit, file, since, until, grep, level } = values;
  if (unit !== undefined && file !== undefined) throw usage('give --unit or --file, not both');
  const tail = values.tail ?? (since === undefined ? tailDefault : undefined);
  const read = openLogsSchema.safeParse({
    kind: 'logs',
    server,
    follow,
    ...(unit !== undefined && { unit }),
    ...(file !== undefined && { file }),
    ...(since !== undefined && { since: timeOf('--since', since, now) }),
    ...(until !== undefined && { until: timeOf('--until', until, now) }),
    ...(tail !== undefined && { tail }),
    ...(grep !== undefined && { grep }),
    ...(level !== undefined && { level }),
  });
  if (read.success) return read.data;
  const issue = read.error.issues[0];
  throw usage(`--${String(issue?.path[0])}: ${issue?.message ?? 'not valid'}`);
}

export const logs = defineFleetCommand({
  name: 'logs',
  summary: 'Shows logs: the journal or a file of a server, or labd’s audit log. -o json gives an object a line.',
  usage: 'labctl logs [server/]NAME [-u UNIT | --file PATH] [-f] [--since T] [--tail N], or logs audit [-f]',
  examples: [
    'labctl logs web-1 -u nginx.service -f',
    'labctl logs server/db-1 --since 2h --level err',
    'labctl logs audit -f',
  ],
  options,
  positionalsMax: 2,
  async run(call) {
    const scope = readLogWords(call.positionals);
    return untilGone(() => (scope.of === 'audit' ? auditLog(call) : serverLog(call, scope.name)));
  },
});

const isJson = ({ result }: LogsCall) => result.options.format === 'json' || result.options.format === 'ndjson';

async function serverLog(call: LogsCall, name: string): Promise<number> {
  const open = openOf(name, call.values, call.world.clock.wall());
  const { showServerLog } = await import('../../session/logs/show-server-log.ts');
  const paints = paint(call.result.options.colour);
  return showServerLog(open, sessionParts(call), (line) =>
    isJson(call) ? `${JSON.stringify(line)}\n` : logText(line, paints),
  );
}

async function auditLog(call: LogsCall): Promise<number> {
  const { values, world } = call;
  for (const name of ['unit', 'file', 'level'] as const) {
    if (values[name] !== undefined) throw usage(`--${name} is not for the audit log`);
  }
  const { followAudit } = await import('../../session/logs/follow-audit.ts');
  const { auditText } = await import('../../session/logs/audit-text.ts');
  const { io } = sessionParts(call);
  const { follow, grep } = values;
  const now = world.clock.wall();
  const time = (flag: string, text: string | undefined) =>
    text === undefined ? undefined : new Date(timeOf(flag, text, now)).toISOString();
  const text = isJson(call) ? (row: AuditRow) => `${JSON.stringify(row)}\n` : auditText;
  const show = async (rows: readonly AuditRow[]) => {
    const lines = rows.map(text).filter((line) => grep === undefined || line.includes(grep));
    if (lines.length > 0) await io.write(1, new TextEncoder().encode(lines.join('')));
  };
  const [since, until] = [time('--since', values.since), time('--until', values.until)];
  const tail = values.tail ?? (since === undefined ? tailDefault : undefined);
  const { clock, life } = world;
  await followAudit({ follow, tail, since, until }, { labd: await call.labd(), show, clock, signal: life.signal });
  return exitCodes.ok;
}
