/**
 * Batches as one OTLP request (OTLP 1.x, `ExportLogsServiceRequest` in its JSON form; names of attributes from the
 * semantic conventions). Who a line comes from is what labd knows of the agent's certificate, never what the agent says:
 * no machine can write in another's name, nor use up its ids.
 */
import { basename } from 'node:path';
import type { logLevels, ShippedLine } from '@labmesh/wire/frame/log-batch';

/** A batch and the server whose agent sent it. */
export type ServerBatch = {
  id: string;
  serverId: string;
  hostname: string;
  version: string;
  /** Unix ms. */
  readAt: number;
  lines: readonly ShippedLine[];
};

export type Labels = Readonly<Record<string, string>>;

/** Services of one batch: each repeats the labels of its server, and an agent may name one a line. */
export const servicesMax = 32;
const unknownService = 'unknown_service';

type Level = (typeof logLevels)[number];
type Attribute = { key: string; value: { stringValue: string } };

/** Severities of the log data model, appendix B: syslog. */
const severities: Readonly<Record<Level, number>> = {
  emerg: 21,
  alert: 19,
  crit: 18,
  err: 17,
  warning: 13,
  notice: 10,
  info: 9,
  debug: 5,
};

/** A lone surrogate would have a strict collector refuse the whole request. */
const attribute = (key: string, value: string): Attribute => ({ key, value: { stringValue: value.toWellFormed() } });
const nanos = (ms: number) => String(BigInt(ms) * 1_000_000n);
const serviceOf = ({ unit, file }: ShippedLine) =>
  unit?.replace(/\.service$/, '') ?? (file === undefined ? unknownService : basename(file));

/** The same line has the same id however often it is sent. */
const lineId = ({ serverId, id }: ServerBatch, index: number) => `${serverId}/${id}/${index}`;

function record(batch: ServerBatch, line: ShippedLine, index: number) {
  const { at, level, unit, file, text } = line;
  return {
    ...(at !== null && { timeUnixNano: nanos(at) }),
    observedTimeUnixNano: nanos(batch.readAt),
    ...(level !== undefined && { severityNumber: severities[level], severityText: level }),
    body: { stringValue: text.toWellFormed() },
    attributes: [
      attribute('log.record.uid', lineId(batch, index)),
      ...(file === undefined ? [] : [attribute('log.file.path', file)]),
      ...(unit === undefined ? [] : [attribute('systemd.unit', unit)]),
    ],
  };
}

function resource({ serverId, hostname }: ServerBatch, labels: Labels, service: string) {
  const own = Object.entries(labels).map(([key, value]) => attribute(`labmesh.label.${key}`, value));
  return {
    attributes: [
      attribute('service.name', service),
      attribute('host.name', hostname),
      attribute('host.id', serverId),
      ...own,
    ],
  };
}

/** One entry a service: in OTLP that is what a resource is. Past the bound a line has none, but still its unit or file. */
function resourceLogs(batch: ServerBatch, labels: Labels) {
  const services = new Map<string, ReturnType<typeof record>[]>();
  for (const [index, line] of batch.lines.entries()) {
    const wanted = serviceOf(line);
    const service = services.has(wanted) || services.size < servicesMax - 1 ? wanted : unknownService;
    const records = services.get(service) ?? [];
    records.push(record(batch, line, index));
    services.set(service, records);
  }
  const scope = { name: 'lab-agent', version: batch.version };
  return [...services].map(([service, logRecords]) => ({
    resource: resource(batch, labels, service),
    scopeLogs: [{ scope, logRecords }],
  }));
}

/** The body of POST /v1/logs. `labels`: of each batch's server. */
export const otlpLogs = (batches: readonly ServerBatch[], labels: readonly Labels[]): string =>
  JSON.stringify({ resourceLogs: batches.flatMap((batch, index) => resourceLogs(batch, labels[index] ?? {})) });
