/**
 * An identity on disk (CA-6): private key, leaf, chain and bundle in one file, so that they never disagree. Written
 * whole (temporary file, fsync, rename, 0600); a crash leaves the old identity or the new one.
 */
import { constants } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pemBytesMax, readPem, toPem } from './der/pem.ts';
import { type Certificate, readCertificate } from './der/read-certificate.ts';
import { type EcKey, keyFromPem } from './keys.ts';

export type StoredIdentity = {
  key: EcKey;
  certificatePem: string;
  certificate: Certificate;
  /** Intermediates and cross-signed roots, in the order to send. */
  chainPem: string;
  /** Trusted roots. */
  bundlePem: string;
};

/** `hint` is the way out, one line. No text of the file is ever in it. */
export class IdentityFileError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.name = 'IdentityFileError';
    this.hint = hint;
  }
}

let drafts = 0;

/** Makes what was renamed into `folder` survive a power cut. Some file systems cannot sync a folder: then they need not. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Writes one PEM file. The folder is made 0700 when it is not there. Rejects with what the file system says. */
export async function writeIdentity(
  path: string,
  parts: { privatePem: string; certificatePem: string; chainPem: string; bundlePem: string },
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = join(folder, `.${basename(path)}.${process.pid}.${drafts++}.tmp`);
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      const { privatePem, certificatePem, chainPem, bundlePem } = parts;
      await file.writeFile([privatePem, certificatePem, chainPem, bundlePem].join(''));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Text of a private file; undefined when there is none. Mode and text are of the same open file. */
async function readPrivate(path: string): Promise<string | undefined> {
  const file = await open(path, constants.O_RDONLY).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      throw new IdentityFileError(`${path} can be read by others`, `chmod 600 '${path}'`);
    }
    if (size > pemBytesMax) throw new IdentityFileError(`${path} is too large for an identity`, 'enrol again');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

const isRoot = ({ subject, issuer }: Certificate): boolean => Buffer.compare(subject, issuer) === 0;

/**
 * Reads an identity; undefined when there is no such file.
 * @throws IdentityFileError when others can read it, or key and certificate are not there or do not belong together.
 */
export async function readIdentity(path: string): Promise<StoredIdentity | undefined> {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const broken = (what: string) => new IdentityFileError(`${path}: ${what}`, 'log in or enrol again');
  const blocks = readPem(text);
  const keyBlock = blocks.find(({ label }) => label === 'PRIVATE KEY' || label === 'EC PRIVATE KEY');
  if (keyBlock === undefined) throw broken('holds no private key');
  let [key, certificates]: [EcKey | undefined, Certificate[]] = [undefined, []];
  try {
    key = await keyFromPem(toPem(keyBlock.label, keyBlock.der));
    certificates = blocks.flatMap(({ label, der }) => (label === 'CERTIFICATE' ? [readCertificate(der)] : []));
  } catch {
    throw broken('holds a key or certificate that cannot be read');
  }
  const [certificate, ...others] = certificates;
  if (certificate === undefined || certificate.keyHash !== key.keyHash) {
    throw broken('key and certificate do not belong together');
  }
  const pem = (list: Certificate[]) => list.map(({ der }) => toPem('CERTIFICATE', der)).join('');
  return {
    key,
    certificate,
    certificatePem: pem([certificate]),
    chainPem: pem(others.filter((each) => !isRoot(each))),
    bundlePem: pem(others.filter(isRoot)),
  };
}
