import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { type OptionsError, parseOptions } from '@labmesh/kit/options';
import { toPem } from '@labmesh/pki/der/pem';
import { createRoot } from '@labmesh/pki/issue/profiles';
import { generateKey } from '@labmesh/pki/keys';
import { labdOptions, type LabdOptions } from '../settings/labd-options.ts';
import { checkSettings } from './check-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'labmesh-check-'));
const at = (name: string) => join(folder, name);
const dataDir = at('data');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const now = Date.now();
  for (const name of ['one', 'other']) {
    const key = await generateKey();
    const { der } = await createRoot({ key, trustDomain: 'lab.test', notBefore: now, notAfter: now + 60_000 });
    writeFileSync(at(`${name}.pem`), toPem('CERTIFICATE', der));
    writeFileSync(at(`${name}.key`), key.privatePem);
  }
  writeFileSync(at('broken.pem'), '-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWJ5dGVz\n-----END PRIVATE KEY-----\n');
  writeFileSync(at('short.secret'), 'too short');
});

const { values } = parseOptions(labdOptions, { argv: [], env: {} });
const check = (settings: Partial<LabdOptions>) => checkSettings({ ...values, dataDir, ...settings }, systemClock);

function refused(settings: Partial<LabdOptions>): string {
  try {
    check(settings);
    return 'none';
  } catch (error) {
    const { exitCode, message } = error as OptionsError;
    return `${exitCode} ${message}`;
  }
}

const browser = { publicUrl: 'https://labd.test:3100', tlsCertFile: at('one.pem'), tlsKeyFile: at('one.key') };
const bucket = { recordingsUrl: 's3://lab/recordings', s3AccessKeyId: 'id', s3SecretAccessKey: 'secret' };
const oidc = { loginMethods: ['oidc' as const], oidcIssuer: 'https://id.test', oidcClientId: 'labmesh' };

describe('what ends a start is found before it', () => {
  test.each<[string, Partial<LabdOptions>, string]>([
    ['a sink of no known kind', { auditSinks: ['ftp://x'] }, 'audit.sinks[0]: ftp: is no sink'],
    ['a sink that is no address', { auditSinks: ['file:///a', 'x'] }, 'audit.sinks[1]: expected file:///path'],
    ['two sinks of one name', { auditSinks: ['file:///a', 'file:///a'] }, 'audit.sinks[1]: two of one name'],
    [
      'a webhook without its secret',
      { auditSinks: [`https://hook.test/#secret_file=${at('none')}`] },
      `audit.sinks[0]: a file cannot be read (${at('none')})`,
    ],
    [
      'a short secret',
      { auditSinks: [`https://hook.test/#secret_file=${at('short.secret')}`] },
      'audit.sinks[0]: a webhook needs secret_file',
    ],
    ['recordings in no place', { recordingsUrl: 'ftp://x' }, 'recordings.url: is file:<folder> or s3://'],
    ['a bucket without keys', { recordingsUrl: 's3://lab' }, 'recordings.url: a bucket needs AWS_ACCESS_KEY_ID'],
    ['a bucket’s bad server', { ...bucket, s3Endpoint: 'ftp://x' }, 'recordings.endpoint is https://'],
    ['no certificate', { ...browser, tlsCertFile: '/nope' }, 'labd.tls_cert_file: /nope cannot be read (ENOENT)'],
    ['no key', { ...browser, tlsKeyFile: '/nope' }, 'labd.tls_key_file: /nope cannot be read (ENOENT)'],
    ['half a pair', { ...browser, tlsKeyFile: undefined }, 'labd.tls_cert_file: goes with labd.tls_key_file'],
    ['another’s key', { ...browser, tlsKeyFile: at('other.key') }, 'labd.tls_key_file: is not the key of labd.tls'],
    ['a broken key', { ...browser, tlsKeyFile: at('broken.pem') }, 'labd.tls_key_file: '],
    ['a certificate for nobody', { ...browser, publicUrl: undefined }, 'labd.public_url: is needed'],
    [
      'a node certificate that is none',
      { conplaneTlsCert: at('one.key'), conplaneTlsKey: at('one.key') },
      'conplane.tls_cert: ',
    ],
    ['half a pair for nodes', { conplaneTlsKey: at('one.key') }, 'conplane.tls_cert: goes with conplane.tls_key'],
    ['a domain that is none', { trustDomain: 'lab mesh' }, 'ca.trust_domain: not a host name'],
    ['logins by no provider', { loginMethods: ['oidc'] }, 'login.oidc.issuer: is needed'],
    ['no client id', { ...oidc, oidcClientId: undefined }, 'login.oidc.client_id: is needed'],
    ['an issuer without TLS', { ...oidc, oidcIssuer: 'http://id.test' }, 'login.oidc.issuer: the issuer has to be'],
    ['no client secret', { ...oidc, oidcClientSecretFile: '/nope' }, 'login.oidc.client_secret_file: /nope cannot'],
    ['a database of no kind', { databaseUrl: 'mysql://root:hunter2@db' }, 'database.url: expected sqlite:///'],
    ['a hub that nobody finds', { tunnelEnabled: true }, 'conplane.tunnel.listen: is needed'],
    ['any origin', { allowedOrigins: ['*'] }, 'labd.allowed_origins: expected origins such as'],
    ['an origin with a path', { allowedOrigins: ['https://dash.test/'] }, 'labd.allowed_origins: expected origins'],
    ['the origin of no page', { allowedOrigins: ['null'] }, 'labd.allowed_origins: expected origins'],
    ['a network of proxies', { trustedProxies: ['10.0.0.0/8'] }, 'labd.trusted_proxies: expected addresses'],
    ['a collector of no kind', { otlpUrl: 'ftp://x' }, 'telemetry.otlp_url: expected an address'],
  ])('%s', (_what, settings, message) => {
    const said = refused(settings);
    expect(said).toStartWith('3 ');
    expect(said).toContain(message);
    expect(said).not.toContain('hunter2');
    expect(said).not.toContain('c2VjcmV0');
  });

  test('what is good passes, and nothing is made of it', () => {
    expect(check(browser)).toMatchObject({ browser: { name: 'labd.test' }, node: undefined });
    expect(check({ conplaneTlsCert: at('one.pem'), conplaneTlsKey: at('one.key') }).node?.cert).toContain('BEGIN CERT');
    const sinks = [`file://${at('audit.jsonl')}`, 'syslog+tls://logs.test'];
    const more = {
      allowedOrigins: ['https://dash.test', 'http://localhost:3000'],
      trustedProxies: ['10.0.0.1', '::1'],
    };
    expect(refused({ ...oidc, ...bucket, ...more, auditSinks: sinks })).toBe('none');
    expect(refused({ recordingsUrl: `file:${at('recordings')}`, dataDir: 'relative' })).toBe('none');
    expect([dataDir, at('recordings'), at('audit.jsonl'), 'relative'].filter((path) => existsSync(path))).toEqual([]);
  });
});
