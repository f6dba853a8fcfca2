/** Flags that several `cert` commands take. */
import { defineOptions } from '@labmesh/kit/options';

/** Whom to trust. One of the two, or neither: then it is the issuer in the data folder. */
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

/** Which log, and by whose word: a log is only ever read against a key that is trusted for it. */
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
