import { expect, test } from 'bun:test';
import type { Issuer } from '../../certify/issuer.ts';
import type { StoredRun } from '../../rows/run-rows.ts';
import { missingCertificate } from './wanted-certificate.ts';

const run = { id: 'run-1', state: 'done', outcome: 'valid', error: null } as StoredRun;
const issuer = (waiting: boolean) => ({ isWaiting: () => waiting }) as unknown as Issuer;

test('a certificate that waits for its signature is pending, and one that is not made is not there', () => {
  expect(missingCertificate(run, issuer(true))).toMatchObject({
    code: 'CERTIFICATE_PENDING',
    message: expect.stringContaining('run-1 is pending') as never,
  });
  expect(missingCertificate(run, issuer(false))).toMatchObject({ code: 'NOT_FOUND' });
  expect(missingCertificate(undefined, issuer(true))).toMatchObject({ code: 'NOT_FOUND' });
});
