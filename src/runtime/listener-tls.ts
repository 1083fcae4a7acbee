import { statSync } from 'node:fs'
import { createSecureContext, type Server } from 'node:tls'
import { HeadraceError, messageOf } from './errors.ts'
import { readTlsMaterial, type TlsFiles } from './tls-files.ts'

/** Who is told of what became of files. */
export interface RenewalLog {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

type Material = ReturnType<typeof readTlsMaterial>

/** What a listener shows, from files that something else renews: looked at as each peer comes, and taken where all of it fits together. */
export class ListenerTls {
  /** What was in them at the start. */
  readonly first: Material
  readonly #name: string
  readonly #files: TlsFiles
  readonly #logger: RenewalLog
  /** How the files were when they were last read. */
  #seen: string

  /** `name`: what the configuration calls it. Throws `config_unreadable` with the file that cannot be read, or that does not belong to the other. */
  constructor(name: string, files: TlsFiles, logger: RenewalLog) {
    this.#name = name
    this.#files = files
    this.#logger = logger
    this.#seen = stateOf(files)
    this.first = readUsable(files)
  }

  /** What is in the files since; undefined where that is what was there, or cannot be used: that is said once. */
  renewed(): Material | undefined {
    const state = stateOf(this.#files)
    if (state === this.#seen) return undefined
    this.#seen = state
    try {
      const material = readUsable(this.#files)
      this.#logger.info({ file: this.#files.cert }, 'the certificate was renewed in its files')
      return material
    } catch (cause) {
      const reason = messageOf(cause)
      this.#logger.error({ reason }, `${this.#name} cannot be used as it is now: whoever comes is shown what was there before`)
      return undefined
    }
  }

  /** Has a server that was made with {@link first} show what is there when a peer comes. */
  servedBy(server: Server): void {
    // Before the server itself hears of the connection, and begins with what it has.
    server.prependListener('connection', () => {
      const renewed = this.renewed()
      if (renewed) server.setSecureContext(renewed)
    })
  }
}

/** Changes with the files: also where a link among them is turned to another one. */
function stateOf({ cert, key, ca }: TlsFiles): string {
  return [cert, key, ca].map(file => (file === undefined ? '' : stateOfFile(file))).join(' ')
}

function stateOfFile(file: string): string {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file)
    return [dev, ino, size, mtimeMs, ctimeMs].join()
  } catch (cause) {
    // What is the matter with it is said where it is read.
    return messageOf(cause)
  }
}

function readUsable(files: TlsFiles): Material {
  const material = readTlsMaterial(files)
  try {
    createSecureContext(material)
    return material
  } catch (cause) {
    const named = [files.cert, files.key, files.ca].filter(file => file !== undefined).join(', ')
    throw new HeadraceError('config_unreadable', `${named} cannot be used together: ${messageOf(cause)}`, {
      advice: 'The key has to belong to the first certificate in its file; all are PEM, and the key has no password.',
      cause,
    })
  }
}
