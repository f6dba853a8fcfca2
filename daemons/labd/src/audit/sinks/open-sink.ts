/**
 * Sinks as `audit.sinks` names them, one text each; options stand behind `#`:
 *
 *     file:///var/log/labmesh/audit.jsonl
 *     syslog+tls://logs.example:6514#ca_file=/etc/ca.pem&cert_file=…&key_file=…
 *     https://hooks.example/labmesh#secret_file=/etc/labmesh/hook.secret
 *
 * `name=` keeps a sink's cursor when its address changes; without it the address is the name.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '@labmesh/kit/clock';
import { didYouMean } from '@labmesh/kit/nearest';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { AuditSink } from './audit-sink.ts';
import { FileSink } from './file-sink.ts';
import { SyslogSink } from './syslog-sink.ts';
import { WebhookSink } from './webhook-sink.ts';

const schemes = {
  'file:': [],
  'syslog+tls:': ['ca_file', 'cert_file', 'key_file'],
  'https:': ['secret_file'],
  'http:': ['secret_file'],
} as const satisfies Record<string, readonly string[]>;
const syslogPort = 6_514;
const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
const secretCharsMin = 16;

const invalid = (field: string, message: string) =>
  new FleetError('VALIDATION_FAILED', { field, message: `${field}: ${message}` });

function readFile(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FleetError('VALIDATION_FAILED', { field, message: `${field}: a file cannot be read`, log: path, cause });
  }
}

/** The options behind `#`, all known. */
function optionsOf(url: URL, field: string): Map<string, string> {
  const known = ['name', ...(schemes[url.protocol as keyof typeof schemes] ?? [])];
  const options = new Map(new URLSearchParams(url.hash.slice(1)));
  for (const key of options.keys()) {
    if (!known.includes(key))
      throw invalid(field, `option ${JSON.stringify(key)} is not known${didYouMean(key, known)}`);
  }
  return options;
}

function openWebhook(name: string, url: URL, options: Map<string, string>, clock: Clock, field: string): AuditSink {
  if (url.protocol === 'http:' && !loopback.test(url.hostname))
    throw invalid(field, 'http: only to this machine; use https:');
  const path = options.get('secret_file');
  const secret = path === undefined ? '' : readFile(path, field).trim();
  if (secret.length < secretCharsMin)
    throw invalid(field, `a webhook needs secret_file with at least ${secretCharsMin} characters`);
  return new WebhookSink(name, { url: url.href, secret, clock });
}

function openSyslog(name: string, url: URL, options: Map<string, string>, field: string): AuditSink {
  const pem = (key: string) => {
    const path = options.get(key);
    return path === undefined ? undefined : readFile(path, field);
  };
  const [ca, cert, key] = [pem('ca_file'), pem('cert_file'), pem('key_file')];
  if ((cert === undefined) !== (key === undefined)) throw invalid(field, 'cert_file and key_file go together');
  return new SyslogSink(name, {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? syslogPort : Number(url.port),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  });
}

/**
 * Makes the sink that a text names.
 * @throws FleetError VALIDATION_FAILED with the field; nothing of a secret or path is in its message.
 */
export function openSink(text: string, clock: Clock, field = 'audit.sinks'): AuditSink {
  const url = URL.parse(text);
  if (url === null) throw invalid(field, 'expected file:///path, syslog+tls://host or https://host/path');
  if (!Object.hasOwn(schemes, url.protocol))
    throw invalid(field, `${url.protocol} is no sink${didYouMean(url.protocol, Object.keys(schemes))}`);
  if (url.username !== '' || url.password !== '') throw invalid(field, 'no user or password in the address; use files');
  const options = optionsOf(url, field);
  url.hash = '';
  const name = options.get('name') ?? url.href;
  if (url.protocol === 'file:') {
    if (url.hostname !== '') throw invalid(field, 'file: takes an absolute path: file:///path');
    return new FileSink(name, decodeURIComponent(url.pathname));
  }
  if (url.hostname === '') throw invalid(field, 'the host is missing');
  if (url.protocol === 'syslog+tls:') return openSyslog(name, url, options, field);
  return openWebhook(name, url, options, clock, field);
}

/**
 * All of `audit.sinks`. None connects or writes before its first rows.
 * @throws FleetError VALIDATION_FAILED naming the entry, also for two of one name: they would share a cursor
 */
export function openSinks(texts: readonly string[], clock: Clock): AuditSink[] {
  const sinks = texts.map((text, index) => openSink(text, clock, `audit.sinks[${index}]`));
  const names = sinks.map(({ name }) => name);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice !== -1) throw invalid(`audit.sinks[${twice}]`, 'two of one name');
  return sinks;
}
