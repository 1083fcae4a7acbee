/** What serial-read.ts takes of the library. */
export { LinuxPortBinding } from '@serialport/bindings-cpp'
export { unixRead } from '@serialport/bindings-cpp/dist/unix-read.js'
