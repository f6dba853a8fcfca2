/**
 * The metadata shim in a module of our own. A bundle starts the modules that another one imports before the CommonJS
 * packages it imports, whatever their order: beside the certificate library the shim would come too late.
 */
import 'reflect-metadata';
