/** BROKEN on purpose, loaded before a process and each of its threads: files are renamed before their content is on the disk. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

fs.fsyncSync = () => {}
syncBuiltinESMExports()
