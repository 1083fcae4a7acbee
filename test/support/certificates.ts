import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority of one test, by `openssl`; its files lie in the test's folder. */
export class TestAuthority {
  readonly folder: string
  readonly ca: string
  readonly #caKey: string

  constructor(folder: string) {
    this.folder = folder
    this.ca = join(folder, 'ca.crt')
    this.#caKey = join(folder, 'ca.key')
    const own = ['-keyout', this.#caKey, '-out', this.ca, '-subj', '/CN=test authority', '-days', '2']
    openssl(['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', ...own])
  }

  /** For a server of this machine, or a client of that name; `days` below 0: it has ended. */
  issue(name: string, { days = 2, altName = 'IP:127.0.0.1,DNS:localhost' } = {}): Certificate {
    const [cert, key, request, extension] = ['crt', 'key', 'csr', 'ext'].map(end => join(this.folder, `${name}.${end}`)) as [
      string,
      string,
      string,
      string,
    ]
    const subject = ['-keyout', key, '-out', request, '-subj', `/CN=${name}`]
    openssl(['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', ...subject])
    writeFileSync(extension, `subjectAltName=${altName}\n`)
    const by = ['-CA', this.ca, '-CAkey', this.#caKey, '-CAcreateserial', '-days', String(days), '-extfile', extension]
    openssl(['x509', '-req', '-in', request, '-out', cert, ...by])
    return { cert, key }
  }
}

/** Key and certificate in one file, as Kafka's PEM key stores want them. */
export function keyStore({ cert, key }: Certificate): string {
  const path = `${cert}.store.pem`
  writeFileSync(path, `${readFileSync(key, 'utf8')}${readFileSync(cert, 'utf8')}`)
  return path
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
