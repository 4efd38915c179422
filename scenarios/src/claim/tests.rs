//! Every refusal, against real loop devices, mounts and files where the kernel can make them. Devices need root: as another user those tests say so and
//! end; as root a device that cannot be made is a failure.

mod devices;
mod images;
mod lab;
mod mapped;
mod media;
mod objects;
mod paths;
mod scratch;
