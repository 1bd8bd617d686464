import { permissionMatrix } from '@voiceoi/contracts';

console.log(permissionMatrix());
