import { publicKeyBytes } from '../mceliece/parameters.ts';
import { RosenpassKeyInvalid } from '../mceliece/rosenpass-key-invalid.ts';
import { splitSecretKey } from '../mceliece/secret-key.ts';
import { keyText, readKeyText } from './key-text.ts';

/** File names and contents of one directory. */
export type DirectoryFiles = ReadonlyMap<string, Uint8Array>;

/** What `rp genkey` makes; the directory has mode 0700. */
export type RpPrivateKeys = {
  /** X25519, 32 bytes. */
  wireguardPrivateKey: Uint8Array;
  /** Of either layout. */
  rosenpassSecretKey: Uint8Array;
  /** 524,160 bytes. */
  rosenpassPublicKey: Uint8Array;
};

/** What `rp pubkey` makes of it, for the other side. */
export type RpPublicKeys = {
  /** 32 bytes. */
  wireguardPublicKey: Uint8Array;
  /** 524,160 bytes. */
  rosenpassPublicKey: Uint8Array;
  /** 32 bytes, mixed into the exchange. */
  presharedKey?: Uint8Array;
};

const bytesOf = (text: string) => new TextEncoder().encode(text);

function fileOf(files: DirectoryFiles, name: string, ...lengths: readonly number[]): Uint8Array {
  const file = files.get(name);
  if (file === undefined) throw new RosenpassKeyInvalid(name, 'no file', ...lengths);
  return file;
}

function publicKeyIn(files: DirectoryFiles): Uint8Array {
  const key = fileOf(files, 'pqpk', publicKeyBytes);
  if (key.length !== publicKeyBytes) throw new RosenpassKeyInvalid('pqpk', key.length, publicKeyBytes);
  return key;
}

/** Reads `wgsk`, `pqsk` and `pqpk`. @throws RosenpassKeyInvalid naming the file, what is there and what is expected. */
export function readRpPrivateDirectory(files: DirectoryFiles): RpPrivateKeys {
  const rosenpassSecretKey = fileOf(files, 'pqsk', 13_568, 13_608);
  splitSecretKey(rosenpassSecretKey, 'pqsk');
  return {
    wireguardPrivateKey: readKeyText('wgsk', fileOf(files, 'wgsk', 32)),
    rosenpassSecretKey,
    rosenpassPublicKey: publicKeyIn(files),
  };
}

export function rpPrivateDirectory(keys: RpPrivateKeys): DirectoryFiles {
  return new Map([
    ['wgsk', bytesOf(keyText(keys.wireguardPrivateKey))],
    ['pqsk', keys.rosenpassSecretKey],
    ['pqpk', keys.rosenpassPublicKey],
  ]);
}

/** Reads `wgpk`, `pqpk` and, if it is there, `psk`. @throws RosenpassKeyInvalid as above. */
export function readRpPublicDirectory(files: DirectoryFiles): RpPublicKeys {
  const psk = files.get('psk');
  return {
    wireguardPublicKey: readKeyText('wgpk', fileOf(files, 'wgpk', 32)),
    rosenpassPublicKey: publicKeyIn(files),
    presharedKey: psk === undefined ? undefined : readKeyText('psk', psk),
  };
}

export function rpPublicDirectory(keys: RpPublicKeys): DirectoryFiles {
  const psk = keys.presharedKey;
  return new Map([
    ['wgpk', bytesOf(keyText(keys.wireguardPublicKey))],
    ['pqpk', keys.rosenpassPublicKey],
    ...(psk === undefined ? [] : [['psk', bytesOf(keyText(psk))] as const]),
  ]);
}
