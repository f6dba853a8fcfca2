/** What a machine needs to verify answers. */
const packages = {
  bwrap: 'bubblewrap',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  python3: 'python3',
  openssl: 'openssl',
};

const missing = Object.entries(packages).flatMap(([name, from]) => (Bun.which(name) === null ? [from] : []));

/** Debian packages, for the name of a suite that is left out; undefined when all is there. */
export const verificationMissing: string | undefined =
  missing.length === 0 ? undefined : [...new Set(missing)].join(', ');
