import { directory } from './directory.ts'
import { exec } from './exec.ts'
import { file } from './file.ts'
import { generator } from './generator.ts'
import { modbus } from './modbus.ts'
import { serial } from './serial.ts'
import type { SourceKind } from './source.ts'
import { tcp } from './tcp.ts'
import { udp } from './udp.ts'
import { unix } from './unix.ts'

/** Every kind of source; a new one is one file and one line here. */
export const SOURCE_KINDS: readonly SourceKind[] = [serial, modbus, tcp, udp, unix, file, directory, exec, generator]
