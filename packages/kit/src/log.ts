/** One line a fact. JSON for machines (pino's field names: level, time, msg), pretty for a terminal. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Record<string, unknown>;

export interface Logger {
  debug(msg: string, fields?: LogFields): void;
  info(msg: string, fields?: LogFields): void;
  warn(msg: string, fields?: LogFields): void;
  error(msg: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

export type LogOptions = { level: LogLevel; format: 'json' | 'pretty'; write?: (line: string) => void };

const rank: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50 };
const secretName = /key|token|secret|password|authorization|cookie|pepper/i;
const harmlessName = /key_?id$|keys?_?count$|tokens?_(in|out|total)$|_tokens$/i;
const secretText =
  /\b(lmk_[0-9A-Za-z]{12}_|lmn_[0-9A-Za-z]{10}_|lm[jsu]_[0-9A-Z]{8}_|sk-|Bearer )[\w.~+/=-]+|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----/g;

/** Blanks secrets: whole values under a telling name, and anything that looks like a key inside a text. */
export function redact(value: unknown, name = ''): unknown {
  if (value === null || value === undefined) return value;
  if (secretName.test(name) && !harmlessName.test(name) && typeof value !== 'boolean') return '[redacted]';
  if (typeof value === 'string')
    return value.replace(secretText, (_, head: string | undefined) => `${head ?? ''}[redacted]`);
  if (value instanceof Error) return { type: value.name, message: redact(value.message), stack: redact(value.stack) };
  if (Array.isArray(value)) return value.map((item) => redact(item));
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redact(item, key)]));
  }
  return value;
}

const escapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\u001b': '\\e' };
/** Nothing that a terminal obeys: control characters, C1 ones too, and those that turn the direction of text. */
const oneLine = (text: string) =>
  text.replace(
    // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
    /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

function prettyLine(level: LogLevel, msg: string, fields: LogFields): string {
  const time = new Date().toISOString().slice(11, 23);
  const told = Object.entries(fields).filter(([, v]) => v !== undefined);
  const rest = told.map(([key, v]) => `${key}=${typeof v === 'string' ? v : JSON.stringify(v)}`);
  return oneLine(`${time} ${level.toUpperCase().padEnd(5)} ${msg}${rest.length > 0 ? `  ${rest.join(' ')}` : ''}`);
}

/** Makes a logger that writes to stderr unless told otherwise: stdout belongs to a command's result. */
export function createLogger(options: LogOptions, bound: LogFields = {}): Logger {
  const write = options.write ?? ((line) => void process.stderr.write(`${line}\n`));
  const at = (level: LogLevel) => (msg: string, fields?: LogFields) => {
    if (rank[level] < rank[options.level]) return;
    const all = redact({ ...bound, ...fields }) as LogFields;
    const text = redact(msg) as string;
    if (options.format === 'pretty') return write(prettyLine(level, text, all));
    write(JSON.stringify({ level: rank[level], time: Date.now(), msg: text, ...all }));
  };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => createLogger(options, { ...bound, ...fields }),
  };
}

export const silentLogger: Logger = createLogger({ level: 'error', format: 'json', write: () => {} });
