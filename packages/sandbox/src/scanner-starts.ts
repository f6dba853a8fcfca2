/** How scanners of code are started in a sandbox: where their packages put them, and what they want to find there. */
import type { SandboxJobInput } from '@labmesh/wire/verification/sandbox';

/** Debian's packages put programs into the first, pip and hand-made ones into the second. */
export const scannerFolders = ['/usr/bin', '/usr/local/bin'] as const;
const env = { PATH: scannerFolders.join(':') };

/** semgrep does not begin without an authority that it trusts. This one vouches for nothing: nobody has its key. */
const nobody = `\
-----BEGIN CERTIFICATE-----
MIIBejCCAR+gAwIBAgIUBVk7Upx0XQ4Flt2QNR0ygNLDcHgwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyMjEwNDAyMFoYDzIxMjYxMDI5MTA0
MDIwWjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAR1u0t96iAIihWvguVLkqJq6r+7XU9sqHRWUlLUZwb7ONZIjozMAdFosqGx+FuL
sT2dc0nHfL/ln03UHXSBHGqWo1MwUTAdBgNVHQ4EFgQUm2J6FOgVf378gPQuXO3s
r1HyqVMwHwYDVR0jBBgwFoAUm2J6FOgVf378gPQuXO3sr1HyqVMwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA+s4gi5dom0NIQsibtzeevMRII34s
hlFUFUhE88Oqt5UCIQCYMHet79Suh3WHJzdduX80RftKJJnOQlwOjOS4n38gJQ==
-----END CERTIFICATE-----
`;
const nobodyFile = 'nobody.pem';

/** By their names, which are those of their programs. */
export const scannerStarts = {
  bandit: { env, files: [] },
  semgrep: {
    env: {
      ...env,
      SEMGREP_SEND_METRICS: 'off',
      SEMGREP_ENABLE_VERSION_CHECK: '0',
      SSL_CERT_FILE: `/tmp/${nobodyFile}`,
    },
    files: [{ path: nobodyFile, content: Buffer.from(nobody).toString('base64') }],
  },
} as const satisfies Record<string, Pick<SandboxJobInput, 'env' | 'files'>>;

export const scannerNames = ['bandit', 'semgrep'] as const satisfies (keyof typeof scannerStarts)[];
