/** Flags that several `cert` commands take. */
import { revocationReasons } from '@labmesh/attest/certificate/revocations';
import { defineOptions } from '@labmesh/kit/options';

export const trustOptions = defineOptions({
  key: {
    type: 'string',
    flag: 'key',
    placeholder: 'FILE',
    help: 'trust this public key (PEM) alone; no log and no revocations are known then',
  },
  trust: {
    type: 'string',
    flag: 'trust',
    placeholder: 'FILE',
    help: "trust file: keys, log, threshold; default the data folder's attest/trust.json",
  },
});

export const reasonOption = defineOptions({
  reason: {
    type: 'string',
    flag: 'reason',
    choices: revocationReasons,
    placeholder: 'WORD',
    help: 'why; it is told to everybody',
  },
});

export const yesOption = defineOptions({
  yes: { type: 'boolean', flag: 'yes', short: 'y', default: false, help: 'do not ask before something is destroyed' },
});

export const logOptions = defineOptions({
  log: {
    type: 'string',
    flag: 'log',
    placeholder: 'DIR',
    help: "folder of the log; default the data folder's attest/log",
  },
  trust: {
    type: 'string',
    flag: 'trust',
    placeholder: 'FILE',
    help: "trust file that names the log; default the data folder's",
  },
});
