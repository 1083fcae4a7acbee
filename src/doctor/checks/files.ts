import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'file'
const LET_READ = 'Let the user that Headrace runs as read it: setfacl -m u:USER:r FILE, or the group of the file.'

/** A file that a source reads, or a directory that it looks into; `changes`: files in it are deleted or moved. */
export interface FileUse {
  readonly source: string
  readonly path: string
  readonly is: 'file' | 'directory'
  readonly changes?: boolean
}

/** What files and directories sources read, and whether this user may. */
export function checkFiles(uses: readonly FileUse[]): Finding[] {
  return uses.map(each => (each.is === 'file' ? file(each) : directory(each)))
}

function file({ source, path }: FileUse): Finding {
  const folder = dirname(path)
  if (!existsSync(folder))
    return error(CHECK, `${source}: ${folder}, in which ${path} is to be, is not there`, 'Correct `path` in the pipeline.')
  if (!existsSync(path)) return ok(CHECK, `${source}: ${path} is not there yet; it is waited for`)
  if (!statSync(path).isFile())
    return error(
      CHECK,
      `${source}: ${path} is no file`,
      'A device is read by `serial`, a directory by `directory`, what a command writes by `exec`.',
    )
  if (!may(path, constants.R_OK)) return error(CHECK, `${source}: this user may not read ${path}`, LET_READ)
  if (may(folder, constants.R_OK | constants.X_OK)) return ok(CHECK, `${source}: ${path} is there and may be read`)
  return warning(
    CHECK,
    `${source}: this user may not list ${folder}: what is left unread of ${path} when it is put away is not found`,
    'Let the user that Headrace runs as list it: setfacl -m u:USER:rx FOLDER, or the group of the folder.',
  )
}

function directory({ source, path, changes }: FileUse): Finding {
  if (!existsSync(path)) return error(CHECK, `${source}: ${path} is not there`, 'Make it, or correct `path` in the pipeline.')
  if (!statSync(path).isDirectory()) return error(CHECK, `${source}: ${path} is no directory`, 'One file is read by `file`.')
  if (!may(path, constants.R_OK | constants.X_OK)) return error(CHECK, `${source}: this user may not list ${path}`, LET_READ)
  if (changes && !may(path, constants.W_OK))
    return error(
      CHECK,
      `${source}: this user may not delete or move files in ${path}`,
      'Let the user that Headrace runs as write there, or take `afterwards: keep`.',
    )
  return ok(CHECK, `${source}: ${path} is there and may be read${changes ? ' and changed' : ''}`)
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false
  }
}
