import type { LogLevel } from '@labmesh/kit/log';

const levels: Readonly<Record<string, LogLevel>> = {
  error: 'error',
  warn: 'warn',
  info: 'info',
  debug: 'debug',
  // Classic files may ask for it; there is nothing below debug here.
  trace: 'debug',
};

/**
 * A level, or a classic filter such as `info,labmand=debug`: what is said of this program wins over what is said of
 * all; other targets do not exist here. Undefined when a word is no level.
 */
export function parseLogLevel(text: string): LogLevel | undefined {
  let all: LogLevel | undefined;
  let own: LogLevel | undefined;
  for (const part of text.split(',')) {
    const [left = '', right] = part.trim().toLowerCase().split('=');
    const name = right ?? left;
    const level = Object.hasOwn(levels, name) ? levels[name] : undefined;
    if (level === undefined) return undefined;
    if (right === undefined) all = level;
    else if (left === 'labmand' || left === 'labman') own = level;
  }
  return own ?? all ?? 'info';
}
