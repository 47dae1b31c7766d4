# What the emulated machine with a camera runs: a photograph is played on the HDMI output, which is
# looped to the HDMI input of the camera; then the camera, on its own image, is troubled.
edge="python3 -m edge run --model /given/model.edge --precision fp32 --conf 0.2 --json"
{
  v4l2-ctl -d /dev/video0 -i 3
  v4l2-ctl -d /dev/video1 -o 1
  for device in /dev/video0 /dev/video1; do
    v4l2-ctl -d $device --set-dv-bt-timings width=640,height=480,interlaced=0,pixelclock=25175000,\
hfp=16,hs=96,hbp=48,vfp=10,vs=2,vbp=33,polarities=0
  done
  v4l2-ctl -d /dev/video0 -c loop_video=1,osd_text_mode=2
  v4l2-ctl -d /dev/video1 --set-fmt-video-out=width=640,height=480,pixelformat=BGR3
  v4l2-ctl -d /dev/video1 --stream-out-mmap --stream-from=/given/photograph.bgr --stream-loop &
} > /dev/null 2>&1
playing=$!
busybox sleep 3
python3 /given/recovery.py exact /given/photograph.bgr
$edge --source '0?format=BGR3' --max-frames 1 2> /dev/null
echo "status $?"

kill $playing 2> /dev/null
v4l2-ctl -d /dev/video0 -i 0 > /dev/null 2>&1
python3 /given/recovery.py troubles
echo "status $?"
