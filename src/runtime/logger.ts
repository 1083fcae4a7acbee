import pino from 'pino'
import { hideSecrets } from './hide-secrets.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Structured log: fields first, then a sentence. Handed in by constructor; a child carries fields of its own. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

const STANDARD_ERROR = 2

/** JSON lines on standard error, so that standard output stays for what the user asked for; or at the end of a file. */
export function createLogger(level: LogLevel, file?: string): Logger {
  const destination = pino.destination({ dest: file ?? STANDARD_ERROR, sync: true })
  // Libraries put addresses into their errors as they were given.
  const careful = { write: (line: string) => void destination.write(hideSecrets(line)) }
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, careful)
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}
