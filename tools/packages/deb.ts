/** A .deb (deb(5)): an ar archive of a version, control.tar.gz and data.tar.gz. */
import { foldersOf, type PackageContents } from './contents.ts';

const block = 512;
const architectures = { x64: 'amd64', arm64: 'arm64' } as const;

const field = (text: string, bytes: number) => Buffer.from(text.padEnd(bytes, '\0'), 'latin1');
const octal = (value: number, bytes: number) => field(value.toString(8).padStart(bytes - 1, '0'), bytes);

type TarItem = { name: string; mode: number; bytes?: Uint8Array };

/** One entry of a ustar archive, of root; without bytes it is a folder. */
function tarItem({ name, mode, bytes }: TarItem, mtime: number): Uint8Array {
  const size = bytes?.length ?? 0;
  const header = Buffer.concat([
    field(name, 100),
    octal(mode, 8),
    octal(0, 8),
    octal(0, 8),
    octal(size, 12),
    octal(mtime, 12),
    field('        ', 8),
    field(bytes === undefined ? '5' : '0', 1),
    field('', 100),
    field('ustar\x0000', 8),
    field('root', 32),
    field('root', 32),
    field('', 183),
  ]);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.set(field(`${sum.toString(8).padStart(6, '0')}\0 `, 8), 148);
  return Buffer.concat([header, bytes ?? new Uint8Array(), new Uint8Array((block - (size % block)) % block)]);
}

const tarGz = (items: readonly TarItem[], mtime: number): Uint8Array =>
  Bun.gzipSync(Buffer.concat([...items.map((item) => tarItem(item, mtime)), new Uint8Array(2 * block)]));

/** Members of an ar archive begin at even places. */
function arItem(name: string, bytes: Uint8Array, mtime: number): Uint8Array {
  const words = [name.padEnd(16), String(mtime).padEnd(12), '0'.padEnd(6), '0'.padEnd(6), '100644'.padEnd(8)];
  const head = `${words.join('')}${String(bytes.length).padEnd(10)}\`\n`;
  return Buffer.concat([Buffer.from(head), bytes, Buffer.from(bytes.length % 2 === 0 ? '' : '\n')]);
}

/** A version before a release sorts before it: `1.0.0-rc.1` is `1.0.0~rc.1` there. */
export const debVersion = (version: string): string => version.replace('-', '~');

function controlText({ name, version, arch, summary, description, files }: PackageContents): string {
  const size = Math.ceil(files.reduce((total, { bytes }) => total + bytes.length, 0) / 1024);
  return `Package: ${name}
Version: ${debVersion(version)}
Architecture: ${architectures[arch]}
Maintainer: labmesh <labmesh@localhost>
Installed-Size: ${size}
Depends: libc6
Section: admin
Priority: optional
Description: ${summary}
 ${description}
`;
}

const script = (text: string) => Buffer.from(`#!/bin/sh\n${text}`);

/** The file, and the name it goes by. */
export function makeDeb(contents: PackageContents): { name: string; bytes: Uint8Array } {
  const { name, version, arch, files, scripts, builtAt } = contents;
  const sums = files.map(
    ({ path, bytes }) => `${new Bun.CryptoHasher('md5').update(bytes).digest('hex')}  ${path.slice(1)}\n`,
  );
  const configs = files.filter(({ isConfig }) => isConfig === true).map(({ path }) => `${path}\n`);
  // An upgrade calls these as well, with other words: it neither stops the agent nor takes versions away.
  const prerm = `if [ "$1" = remove ]; then\n${scripts.removing}fi\n`;
  const postrm = `if [ "$1" = remove ] || [ "$1" = purge ]; then\n${scripts.removed}fi\nif [ "$1" = purge ]; then\n  rm -rf /var/lib/labmesh/agent\nfi\n`;
  const postinst = `if [ "$1" = configure ]; then\n${scripts.installed}fi\n`;
  const control = [
    { name: './', mode: 0o755 },
    { name: './control', mode: 0o644, bytes: Buffer.from(controlText(contents)) },
    { name: './md5sums', mode: 0o644, bytes: Buffer.from(sums.join('')) },
    { name: './conffiles', mode: 0o644, bytes: Buffer.from(configs.join('')) },
    { name: './postinst', mode: 0o755, bytes: script(postinst) },
    { name: './prerm', mode: 0o755, bytes: script(prerm) },
    { name: './postrm', mode: 0o755, bytes: script(postrm) },
  ];
  const data = [
    { name: './', mode: 0o755 },
    ...foldersOf(files).map((path) => ({ name: `.${path}/`, mode: 0o755 })),
    ...files.map(({ path, mode, bytes }) => ({ name: `.${path}`, mode, bytes })),
  ];
  const bytes = Buffer.concat([
    Buffer.from('!<arch>\n'),
    arItem('debian-binary', Buffer.from('2.0\n'), builtAt),
    arItem('control.tar.gz', tarGz(control, builtAt), builtAt),
    arItem('data.tar.gz', tarGz(data, builtAt), builtAt),
  ]);
  return { name: `${name}_${debVersion(version)}_${architectures[arch]}.deb`, bytes };
}
