/**
 * The root key kept off the server (CA-2, `root_mode = offline`). The file is written once and holds one line of
 * facts, the root certificate and its private key; it is all that an offline machine needs to sign.
 */
import { link, open, rm } from 'node:fs/promises';
import { z } from 'zod';
import { pemBytesMax, readPem, toPem } from '../der/pem.ts';
import { type Certificate, readCertificate } from '../der/read-certificate.ts';
import { parseCsr } from '../csr.ts';
import { type EcKey, keyFromPem } from '../keys.ts';
import { isTrustDomain } from '../spiffe-id.ts';
import { createCross, createIntermediate, type Issuer } from './profiles.ts';

/** What the intermediate's name constraints are made of. */
export type RootFacts = { trustDomain: string; dnsNames: readonly string[] };
export type RootFile = RootFacts & Issuer;

const prefix = 'labmesh-root ';
const factsSchema = z.object({
  trustDomain: z.string().refine(isTrustDomain),
  dnsNames: z.array(z.string().max(253)).max(64),
});

/** Writes the file whole, 0600. Rejects when there is one already (EEXIST): a root key is never overwritten. */
export async function writeRootFile(path: string, key: EcKey, root: Certificate, facts: RootFacts): Promise<void> {
  const draft = `${path}.${crypto.randomUUID()}.tmp`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      const line = `${prefix}${JSON.stringify({ trustDomain: facts.trustDomain, dnsNames: facts.dnsNames })}\n`;
      await file.writeFile(`${line}${toPem('CERTIFICATE', root.der)}${key.privatePem}`);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link and not a rename: it fails where a file is, and whoever reads sees all of it or nothing.
    await link(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** @throws RangeError saying what is wrong, without any of the text. */
export async function readRootFile(text: string): Promise<RootFile> {
  if (text.length > pemBytesMax || !text.startsWith(prefix)) throw new RangeError('this is not a labmesh root file');
  const blocks = readPem(text);
  const certificate = blocks.find(({ label }) => label === 'CERTIFICATE');
  const privateKey = blocks.find(({ label }) => label === 'PRIVATE KEY');
  if (certificate === undefined || privateKey === undefined) throw new RangeError('the root file is not complete');
  let facts: z.infer<typeof factsSchema>;
  try {
    facts = factsSchema.parse(JSON.parse(text.slice(prefix.length, text.indexOf('\n'))));
  } catch {
    throw new RangeError('the first line of the root file cannot be read');
  }
  const key = await keyFromPem(toPem(privateKey.label, privateKey.der));
  const root = readCertificate(certificate.der);
  if (root.keyHash !== key.keyHash) throw new RangeError('key and certificate of the root file differ');
  return { ...facts, key, certificate: root };
}

export type IntermediateSigning = {
  root: RootFile;
  /** labd's request for its intermediate key. */
  csrPem: string;
  /** Unix ms. */
  notBefore: number;
  notAfter: number;
};

/** `labctl ca sign-intermediate`. @throws FleetError for a request that is not one (csr.ts). */
export function signIntermediate({ root, csrPem, notBefore, notAfter }: IntermediateSigning): Promise<Certificate> {
  const { spki, keyHash } = parseCsr(csrPem);
  const { trustDomain, dnsNames } = root;
  return createIntermediate({ issuer: root, spki, keyHash, trustDomain, dnsNames, notBefore, notAfter });
}

/** Cross-signs the next root with the old one's file, for a rotation in offline mode. @throws RangeError. */
export function signCross(old: RootFile, nextRootPem: string, notBefore: number): Promise<Certificate> {
  const block = readPem(nextRootPem).find(({ label }) => label === 'CERTIFICATE');
  if (block === undefined) throw new RangeError('there is no certificate');
  const next = readCertificate(block.der);
  if (!next.isCa || Buffer.compare(next.subject, next.issuer) !== 0) throw new RangeError('not a root certificate');
  return createCross(old, next, notBefore);
}
