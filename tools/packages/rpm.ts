/** An .rpm (version 4): lead, signature header, header, and a gzipped cpio of the files. Not signed: a repository does that. */
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import type { PackageContents, PackedFile } from './contents.ts';
import { rpmHeader, type RpmTag } from './rpm-header.ts';

const architectures = { x64: 'x86_64', arm64: 'aarch64' } as const;
const release = '1';
const isRegular = 0o100000;
const configFlags = 1 | 16; // config, and kept when it was changed
const [less, equal, rpmlib] = [2, 8, 1 << 24];

const digest = (name: 'md5' | 'sha1' | 'sha256', bytes: Uint8Array) => new Bun.CryptoHasher(name).update(bytes);
const pad4 = (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array((4 - (bytes.length % 4)) % 4)]);

/** One file in the new ASCII form of cpio; `ino` tells files apart. */
function cpioItem(path: string, mode: number, bytes: Uint8Array, ino: number, mtime: number): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const fields = [ino, mode, 0, 0, 1, mtime, bytes.length, 0, 0, 0, 0, name.length, 0];
  const head = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([pad4(Buffer.concat([Buffer.from(head), name])), pad4(bytes)]);
}

function payloadOf(files: readonly PackedFile[], mtime: number): Uint8Array {
  const items = files.map(({ path, mode, bytes }, at) => cpioItem(`.${path}`, isRegular | mode, bytes, at + 1, mtime));
  return Buffer.concat([...items, cpioItem('TRAILER!!!', 0, new Uint8Array(), 0, 0)]);
}

function fileTags(files: readonly PackedFile[], mtime: number): RpmTag[] {
  const each = <T>(value: (file: PackedFile, at: number) => T) => files.map(value);
  const folders = [...new Set(files.map(({ path }) => `${dirname(path)}/`))].toSorted();
  return [
    [1028, { int32: each(({ bytes }) => bytes.length) }],
    [1030, { int16: each(({ mode }) => isRegular | mode) }],
    [1033, { int16: each(() => 0) }],
    [1034, { int32: each(() => mtime) }],
    [1035, { texts: each(({ bytes }) => digest('sha256', bytes).digest('hex')) }],
    [1036, { texts: each(() => '') }],
    [1037, { int32: each(({ isConfig }) => (isConfig === true ? configFlags : 0)) }],
    [1039, { texts: each(() => 'root') }],
    [1040, { texts: each(() => 'root') }],
    [1045, { int32: each(() => 0xffffffff) }],
    [1095, { int32: each(() => 1) }],
    [1096, { int32: each((_file, at) => at + 1) }],
    [1097, { texts: each(() => '') }],
    [1116, { int32: each(({ path }) => folders.indexOf(`${dirname(path)}/`)) }],
    [1117, { texts: each(({ path }) => basename(path)) }],
    [1118, { texts: folders }],
    [5011, { int32: [8] }], // digests are SHA-256
  ];
}

/** `$1` counts the versions that stay: 0 when the last one goes. */
const atLast = (text: string) => `if [ "$1" = 0 ]; then\n${text}fi\n`;

function scriptTags({ scripts }: PackageContents): RpmTag[] {
  const shell = { text: '/bin/sh' };
  return [
    [1024, { text: scripts.installed }],
    [1025, { text: atLast(scripts.removing) }],
    [1026, { text: atLast(scripts.removed) }],
    [1086, shell],
    [1087, shell],
    [1088, shell],
  ];
}

/** What the format itself needs, and what the package gives. */
function relationTags(name: string, version: string): RpmTag[] {
  const needs = [
    ['rpmlib(CompressedFileNames)', '3.0.4-1'],
    ['rpmlib(FileDigests)', '4.6.0-1'],
    ['rpmlib(PayloadFilesHavePrefix)', '4.0-1'],
  ] as const;
  return [
    [1047, { texts: [name] }],
    [1112, { int32: [equal] }],
    [1113, { texts: [`${version}-${release}`] }],
    [1049, { texts: ['/bin/sh', ...needs.map(([what]) => what)] }],
    [1048, { int32: [0, ...needs.map(() => rpmlib | less | equal)] }],
    [1050, { texts: ['', ...needs.map(([, since]) => since)] }],
  ];
}

/** A version before a release sorts before it: `1.0.0-rc.1` is `1.0.0~rc.1` there. */
export const rpmVersion = (version: string): string => version.replace('-', '~').replaceAll('-', '_');

function headerOf(contents: PackageContents, payload: Uint8Array): Uint8Array {
  const { name, arch, summary, description, builtAt, files } = contents;
  const version = rpmVersion(contents.version);
  return rpmHeader(63, [
    [100, { texts: ['C'] }],
    [1000, { text: name }],
    [1001, { text: version }],
    [1002, { text: release }],
    [1004, { i18n: summary }],
    [1005, { i18n: description }],
    [1006, { int32: [builtAt] }],
    [1007, { text: hostname() }],
    [1009, { int32: [files.reduce((total, { bytes }) => total + bytes.length, 0)] }],
    [1014, { text: 'MIT' }],
    [1016, { i18n: 'System Environment/Daemons' }],
    [1021, { text: 'linux' }],
    [1022, { text: architectures[arch] }],
    [1044, { text: `${name}-${version}-${release}.src.rpm` }],
    [1064, { text: '4.18.0' }],
    [1124, { text: 'cpio' }],
    [1125, { text: 'gzip' }],
    [1126, { text: '6' }],
    [5092, { texts: [digest('sha256', payload).digest('hex')] }],
    [5093, { int32: [8] }],
    ...fileTags(files, builtAt),
    ...scriptTags(contents),
    ...relationTags(name, version),
  ]);
}

/** The old head that still says "this is an rpm". */
function leadOf(fullName: string): Uint8Array {
  const lead = Buffer.alloc(96);
  lead.set(Buffer.from('edabeedb0300', 'hex'));
  lead.writeUInt16BE(1, 8); // architecture: of no meaning any more
  lead.write(fullName.slice(0, 65), 10, 'latin1');
  lead.writeUInt16BE(1, 76); // Linux
  lead.writeUInt16BE(5, 78); // signatures stand in a header
  return lead;
}

/** The file, and the name it goes by. */
export function makeRpm(contents: PackageContents): { name: string; bytes: Uint8Array } {
  const plain = payloadOf(contents.files, contents.builtAt);
  const payload = Bun.gzipSync(Buffer.from(plain));
  const header = headerOf(contents, payload);
  const signatures = rpmHeader(62, [
    [269, { text: digest('sha1', header).digest('hex') }],
    [273, { text: digest('sha256', header).digest('hex') }],
    [1000, { int32: [header.length + payload.length] }],
    [1004, { bin: digest('md5', Buffer.concat([header, payload])).digest() }],
    [1007, { int32: [plain.length] }],
  ]);
  const fullName = `${contents.name}-${rpmVersion(contents.version)}-${release}`;
  const padding = new Uint8Array((8 - (signatures.length % 8)) % 8);
  return {
    name: `${fullName}.${architectures[contents.arch]}.rpm`,
    bytes: Buffer.concat([leadOf(fullName), signatures, padding, header, payload]),
  };
}
