import { readPassword } from '../runtime/named-file.ts'

/** A name and the password in its file's first line. Throws `config_unreadable` where that cannot be read. */
export function readLogin(sasl: { readonly username: string; readonly password_file: string }): {
  name: string
  password: string
} {
  return { name: sasl.username, password: readPassword(sasl.password_file) }
}
