import { readNamedFile } from './named-file.ts'

export interface TlsFiles {
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly ca?: string | undefined
}

/** The contents of the files that are named (PEM). Throws `config_unreadable` with the file that cannot be read. */
export function readTlsMaterial(files: TlsFiles): { cert?: string; key?: string; ca?: string } {
  const { cert, key, ca } = files
  return {
    ...(cert !== undefined && { cert: readNamedFile('certificate', cert) }),
    ...(key !== undefined && { key: readNamedFile('key', key) }),
    ...(ca !== undefined && { ca: readNamedFile('authorities', ca) }),
  }
}
