/** What `[telemetry]` says about the collector, read once at the start so that `check-config` finds what is wrong. */
import type { LabdOptions } from './labd-options.ts';
import { readSettingFile, wrongSetting as wrong } from './wrong-setting.ts';

export type CollectorSettings = { url: string; headers: Readonly<Record<string, string>>; ca?: string };

type Given = Pick<LabdOptions, 'otlpUrl' | 'otlpHeadersFile' | 'otlpCaFile'>;

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
const headersMax = 32;
/** RFC 9110, 5.6.2 and 5.5. */
const headerLine =
  /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\x21-\x7e](?:[\x20-\x7e\t]{0,8191}[\x21-\x7e])?)[ \t]*$/;

/** Lines `Name: value`; empty ones and those that begin with # do not count. A wrong one is named by number, not shown. */
function readHeaders(path: string): Record<string, string> {
  const key = 'telemetry.otlp_headers_file';
  const headers: Record<string, string> = {};
  for (const [index, line] of readSettingFile(path, key).split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, name = '', value = ''] = headerLine.exec(line) ?? [];
    if (name === '') throw wrong(key, `line ${index + 1} of ${path} is no header such as Authorization: Bearer …`);
    headers[name.toLowerCase()] = value;
  }
  if (Object.keys(headers).length > headersMax) throw wrong(key, `more than ${headersMax} headers`);
  return headers;
}

/** Undefined: no collector. @throws OptionsError. */
export function collectorSettings({ otlpUrl, otlpHeadersFile, otlpCaFile }: Given): CollectorSettings | undefined {
  if (otlpUrl === undefined || otlpUrl === '') return undefined;
  const key = 'telemetry.otlp_url';
  const url = URL.parse(otlpUrl);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw wrong(key, 'expected an address such as http://127.0.0.1:4318');
  if (url.username !== '' || url.password !== '')
    throw wrong(key, 'no user or password in the address; use telemetry.otlp_headers_file');
  if (url.search !== '' || url.hash !== '') throw wrong(key, 'expected an address without ? and #');
  // Logs tell much of a machine, and the headers hold a secret.
  if (url.protocol === 'http:' && !loopback.test(url.hostname))
    throw wrong(key, 'http: only to this machine; use https:');
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/logs`;
  const headers = otlpHeadersFile === undefined ? {} : readHeaders(otlpHeadersFile);
  const ca = otlpCaFile === undefined ? undefined : readSettingFile(otlpCaFile, 'telemetry.otlp_ca_file');
  return { url: url.href, headers, ...(ca !== undefined && { ca }) };
}
